"""Secret Manager: cached, batched, and never a payload where it does not belong."""

from .batch import SecretBatchError
from .optimized import OptimizedSecretManager
from .recommendations import CostRecommendation
from .report import PerformanceReport

__all__ = ["CostRecommendation", "OptimizedSecretManager", "PerformanceReport", "SecretBatchError"]
