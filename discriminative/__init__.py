"""Discriminative methods: labels alone, Pi model, temporal ensembling, mean teacher and VAT."""

from discriminative.mean_teacher import MeanTeacher
from discriminative.objective import Objective
from discriminative.pi_model import PiModel
from discriminative.supervised import Supervised
from discriminative.temporal_ensembling import TemporalEnsembling
from discriminative.vat import VAT

__all__ = ["MeanTeacher", "Objective", "PiModel", "Supervised", "TemporalEnsembling", "VAT"]
