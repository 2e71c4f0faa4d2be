"""Train the starter package: a small LeNet on the handwritten digits 0 to 4.

    python zoo/starter/train_lenet_digits.py

writes lenet-digits/ beside this file as a Caffe Model Zoo package: deploy.prototxt, a .caffemodel
and a readme with front matter. With the same versions and machine it writes the same bytes.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from zoo.domain.preprocessing import Channels, Preprocessing, Resize
from zoo.formats.caffe.matching import to_blobs
from zoo.formats.caffe.net import (
    Convolution,
    InnerProduct,
    Input,
    Layer,
    Net,
    Parameters,
    Pooling,
    ReLU,
    Softmax,
)
from zoo.formats.caffe.writing import write_caffemodel, write_prototxt
from zoo.images.prepare import prepare
from zoo.networks.build import weights_of
from zoo.networks.caffe import build_caffe
from zoo.networks.classifier import Classifier
from zoo.training.digits import read_digits

FOLDER = Path(__file__).with_name("lenet-digits")
CLASSES = range(5)
SIDE_PX = 28
EPOCHS = 20
BATCH = 32
TINY = 1e-8  # keeps the logarithm finite
HELD_OUT = 5  # every fifth digit measures, the others teach
PREPROCESSING = Preprocessing(
    resize=Resize.SQUASH,
    resize_px=SIDE_PX,
    crop_px=(SIDE_PX, SIDE_PX),
    channels=Channels.GRAY,
    scale=1 / 256,
    mean=(0.0,),
    std=(1.0,),
)


def describe_lenet() -> Net:
    """Describe LeNet as Caffe's MNIST example has it, with a quarter of its filters."""
    steps: list[tuple[str, Parameters]] = [
        ("conv1", Convolution(num_output=8, kernel=(5, 5))),
        ("pool1", Pooling(method="MAX", kernel=(2, 2), stride=(2, 2))),
        ("conv2", Convolution(num_output=16, kernel=(5, 5))),
        ("pool2", Pooling(method="MAX", kernel=(2, 2), stride=(2, 2))),
        ("ip1", InnerProduct(num_output=64)),
        ("relu1", ReLU()),
        ("ip2", InnerProduct(num_output=len(CLASSES))),
        ("prob", Softmax()),
    ]
    layers = []
    blob = "data"
    for name, parameters in steps:
        top = blob if isinstance(parameters, ReLU) else name
        layers.append(Layer(name=name, bottoms=(blob,), tops=(top,), parameters=parameters))
        blob = top
    given = Input(blob="data", shape=(1, 1, SIDE_PX, SIDE_PX))
    return Net(name="LeNet-digits", inputs=(given,), layers=tuple(layers))


def read_pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """Give the digits as the zoo prepares them: N x 28 x 28 x 3 uint8, and their classes."""
    digits, pixels = zip(*read_digits(CLASSES), strict=True)
    prepared = [prepare(Image.fromarray(one).convert("RGB"), PREPROCESSING) for one in pixels]
    return torch.from_numpy(np.stack(prepared)), torch.tensor(digits)


def train(classifier: Classifier, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Fit the network with SGD, one cycle of the learning rate."""
    for module in classifier.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            probabilities = classifier(images[batch]).clamp_min(TINY)
            loss = functional.nll_loss(probabilities.log(), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def main() -> None:
    """Train, measure, write the package."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    net = describe_lenet()
    classifier = Classifier(build_caffe(net).to_empty(device="cpu"), PREPROCESSING)
    images, labels = read_pictures()
    is_held_out = torch.arange(len(images)) % HELD_OUT == 0
    train(classifier, images[~is_held_out], labels[~is_held_out])
    predicted = classifier.probabilities(images[is_held_out].numpy()).argmax(axis=1)
    right = int((predicted == labels[is_held_out].numpy()).sum())
    print(f"{right} of {int(is_held_out.sum())} held-out digits")
    write(net, classifier, right, int(is_held_out.sum()))


def write(net: Net, classifier: Classifier, right: int, total: int) -> None:
    """Write the three files of the package."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "deploy.prototxt").write_text(write_prototxt(net))
    model = b"".join(write_caffemodel(net, to_blobs(net, weights_of(classifier.network))))
    (FOLDER / "lenet_digits.caffemodel").write_bytes(model)
    sha1 = hashlib.sha1(model, usedforsecurity=False).hexdigest()
    (FOLDER / "readme.md").write_text(
        f"""---
name: LeNet on handwritten digits 0 to 4
caffemodel: lenet_digits.caffemodel
license: Apache-2.0
sha1: {sha1}
labels: ["0", "1", "2", "3", "4"]
preprocessing:
  resize: squash
  resize_px: {SIDE_PX}
  crop_px: [{SIDE_PX}, {SIDE_PX}]
  channels: GRAY
  scale: {1 / 256}
  mean: [0]
  std: [1]
---

Trained by `zoo/starter/train_lenet_digits.py` on four fifths of the digits 0 to 4 that come with
scikit-learn (UCI, 8 x 8 pixels); {right} of the {total} others are told right. The digits 5 to 9
were never seen: they are what `zoo quickstart` fine-tunes it on.
"""
    )


if __name__ == "__main__":
    main()
