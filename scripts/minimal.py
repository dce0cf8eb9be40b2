"""FM-GAN + SNTG on scikit-learn's digits with 20 labels, in plain Python.

python scripts/minimal.py      about half a minute on one core; run it again and it reads the finished run

It is the same run as `gan-sntg train --config digits_20/fm_gan`: same weights, same errors.
"""

import torch

import gan_sntg
from gan_sntg.graph import SNTG, AllPairs, Averaged
from gan_sntg.methods import FeatureMatchingGAN
from gan_sntg.networks import DenseDiscriminator, DenseGenerator


def main(out: str = "runs/minimal", epochs: int = 150) -> gan_sntg.TrainedRun:
    """Train, and print what came out."""
    data = gan_sntg.data.Digits()  # 1,400 images to train on, of which 20 will have a label
    torch.manual_seed(0)  # the networks' initial weights

    # D tells the ten classes apart, and real images from generated ones; h are the features of its last hidden layer.
    discriminator = DenseDiscriminator(data.image_shape, data.num_classes, widths=(128, 128, 128))
    generator = DenseGenerator(data.image_shape, widths=(128, 128))

    # SNTG joins the images that a teacher (here D's averaged weights) puts into the same class, and draws their h together;
    # others it pushes apart, up to the margin. Weight 0 is FM-GAN alone.
    sntg = SNTG(weight=1.0, ramp_epochs=epochs, margin=3.0, pairing=AllPairs())
    method = FeatureMatchingGAN(
        discriminator=discriminator,
        generator=generator,
        teacher=Averaged(decay=0.99),
        sntg=sntg,
        learning_rate=0.003,
        decay_epochs=epochs,
        average_decay=0.99,
    )

    run = gan_sntg.train(method, data, labels=20, epochs=epochs, interval_epochs=10, threads=1, out=out)
    print(f"test error: {run.test_error:.2f} % (averaged weights), {run.test_error_last:.2f} % (last weights)")
    print(f"classes of five test images: {run.predict(data.test_x[:5]).tolist()}, true: {data.test_y[:5].tolist()}")
    print(f"samples: {list(run.sample(64).shape)}; grids, curves and checkpoints: {out}")
    return run


if __name__ == "__main__":
    main()
