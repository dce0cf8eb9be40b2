"""Discriminative methods: labels alone, Pi model, temporal ensembling, mean teacher, VAT and Ladder."""

from discriminative.ladder import Ladder
from discriminative.mean_teacher import MeanTeacher
from discriminative.objective import Objective
from discriminative.pi_model import PiModel
from discriminative.supervised import Supervised
from discriminative.temporal_ensembling import TemporalEnsembling
from discriminative.vat import VAT

__all__ = ["Ladder", "MeanTeacher", "Objective", "PiModel", "Supervised", "TemporalEnsembling", "VAT"]
