"""Rank the features of a sparse autoencoder of a layer by how their ablation changes the reward.

The autoencoder is a TopK one (Gao et al. 2024, arXiv 2406.04093). A feature is removed by subtracting its activation
times its decoder direction, which keeps the reconstruction error (Marks et al. 2024, arXiv 2403.19647).
"""

from rewardbench.analysis.features.command import analyze, selftest
from rewardbench.analysis.features.options import FeaturesOptions

__all__ = ["FeaturesOptions", "analyze", "selftest"]
