"""Classifiers, the Improved GAN's networks, and the layers that torch does not have."""

from gan_sntg.networks.batch_norm import BatchNorm, frozen_statistics
from gan_sntg.networks.classifiers import (
    Classifier,
    ConvNet13,
    DropoutConvNet13,
    PatchConvNet,
    PlaneMLP,
    PretrainedNet,
    SmallBatchNormConvNet,
    SmallConvNet,
    VATConvNet,
    WhitenedConvNet13,
)
from gan_sntg.networks.conditional import (
    ConditionalGenerator,
    ConvConditionalGenerator,
    ConvPairDiscriminator,
    DenseConditionalGenerator,
    DensePairDiscriminator,
    PairDiscriminator,
)
from gan_sntg.networks.density import Density, MixtureDensity
from gan_sntg.networks.ema import Average
from gan_sntg.networks.gan import (
    BatchNormConvNet,
    BatchNormDiscriminator,
    ConvDiscriminator,
    ConvGenerator,
    DenseDiscriminator,
    DenseGenerator,
    Discriminator,
    FeatureGenerator,
    Generator,
)
from gan_sntg.networks.inference import (
    ConvEncoder,
    ConvInferenceEncoder,
    ConvJointDiscriminator,
    DenseEncoder,
    DenseInferenceEncoder,
    DenseJointDiscriminator,
    Encoder,
    InferenceEncoder,
    InferringClassifier,
    JointDiscriminator,
)
from gan_sntg.networks.ladder import DenseLadder, LadderNetwork, LargeConvLadder, SmallConvLadder
from gan_sntg.networks.noise import ChannelDropout, Drop, Dropout, GaussianNoise
from gan_sntg.networks.passes import Precision
from gan_sntg.networks.residual import Convolution, ResidualDiscriminator, ResidualGenerator
from gan_sntg.networks.weight_norm import (
    MeanOnlyConv,
    MeanOnlyLinear,
    SpectralNormConv,
    WeightNormConv,
    WeightNormConvTranspose,
    WeightNormLinear,
    data_dependent_init,
    fixed_weights,
)

__all__ = ["Classifier", "ConvNet13", "PatchConvNet", "PlaneMLP", "PretrainedNet", "SmallConvNet", "VATConvNet"]
__all__ += ["BatchNormConvNet", "BatchNormDiscriminator"]
__all__ += ["ConvDiscriminator", "ConvGenerator", "DenseDiscriminator", "DenseGenerator", "Discriminator", "Generator"]
__all__ += ["ConditionalGenerator", "ConvConditionalGenerator", "ConvPairDiscriminator"]
__all__ += ["DenseConditionalGenerator", "DensePairDiscriminator", "PairDiscriminator"]
__all__ += ["DropoutConvNet13", "SmallBatchNormConvNet", "WhitenedConvNet13"]
__all__ += ["ConvEncoder", "DenseEncoder", "Density", "Encoder", "FeatureGenerator", "MixtureDensity"]
__all__ += ["ConvInferenceEncoder", "ConvJointDiscriminator", "DenseInferenceEncoder", "DenseJointDiscriminator"]
__all__ += ["InferenceEncoder", "InferringClassifier", "JointDiscriminator"]
__all__ += ["DenseLadder", "LadderNetwork", "LargeConvLadder", "SmallConvLadder"]
__all__ += ["Average", "BatchNorm", "ChannelDropout", "Drop", "Dropout", "GaussianNoise", "Precision", "frozen_statistics"]
__all__ += ["Convolution", "ResidualDiscriminator", "ResidualGenerator"]
__all__ += ["MeanOnlyConv", "MeanOnlyLinear", "SpectralNormConv", "WeightNormConv", "WeightNormConvTranspose", "WeightNormLinear"]
__all__ += ["data_dependent_init", "fixed_weights"]
