"""The SNTG regulariser: graph, pairs, contrastive loss and the teachers that the graph is built from."""

from gan_sntg.graph.adjacency import Adjacency, DrawnNeighborGraph, FixedGraph, NeighborGraph, PoolNeighborGraph, TeacherGraph
from gan_sntg.graph.balance import Balance, DistributionAlignment, EqualShares
from gan_sntg.graph.loss import Graph, contrastive, graph_loss, hard_weights, pair_loss, soft_weights, teacher_classes
from gan_sntg.graph.pairs import AllPairs, Distance, Halves, Pairing, Pairs, Sampled, all_pairs, euclidean, halves, rms, sampled
from gan_sntg.graph.sntg import SNTG, Embedding
from gan_sntg.graph.teachers import Averaged, Ensemble, NoiseFree, SamePass, SecondPass, Teacher

__all__ = ["SNTG", "Adjacency", "DrawnNeighborGraph", "Embedding", "FixedGraph", "NeighborGraph"]
__all__ += ["PoolNeighborGraph", "TeacherGraph"]
__all__ += ["Graph", "contrastive", "graph_loss", "hard_weights", "pair_loss", "soft_weights", "teacher_classes"]
__all__ += ["Balance", "DistributionAlignment", "EqualShares"]
__all__ += ["AllPairs", "Distance", "Halves", "Pairing", "Pairs", "Sampled", "all_pairs", "euclidean", "halves", "rms", "sampled"]
__all__ += ["Averaged", "Ensemble", "NoiseFree", "SamePass", "SecondPass", "Teacher"]
