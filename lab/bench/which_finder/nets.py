"""The models of the tasks, small enough to train in seconds."""

import torch
from torch import Tensor, nn

from lab.bench.which_finder import data
from lab.nets.caffe_cifar10 import CaffeCifar10Full
from lab.nets.inputs import FromImages
from lab.nets.resnet import ResNet


def mlp(inputs: int, outputs: int, hidden: int = 64) -> nn.Module:
    """Two hidden layers with ReLU."""
    first, second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.ReLU(), nn.Linear(hidden, outputs))


def linear(inputs: int, outputs: int) -> nn.Module:
    """Logistic regression."""
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))


def digits_cnn() -> nn.Module:
    """Two convolutions, each with a ReLU and a pooling layer."""
    first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
    layers = first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 10))


def caffe() -> nn.Module:
    """Caffe's cifar10_full for images of 16 pixels: raw pixels in, small Gaussian weights."""
    net = CaffeCifar10Full(data.cifar10().train[0].mean(0), _drawn())
    net.ip1 = nn.Linear(64 * 2 * 2, len(data.CLASSES))
    nn.init.normal_(net.ip1.weight, std=0.01)
    nn.init.zeros_(net.ip1.bias)
    return net


def batch_norm_cnn() -> nn.Module:
    """Three convolutions of stride 2 with batch normalisation."""
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(before, after, 3, 2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return _normalised(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, len(data.CLASSES))))


def resnet8() -> nn.Module:
    """The lab's residual net of 8 layers."""
    return _normalised(ResNet(8, _drawn(), classes=len(data.CLASSES)))


def vgg() -> nn.Module:
    """Two blocks of two convolutions and a pooling layer, then dropout, for four classes."""
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32)):
        first, second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        layers += [first, nn.ReLU(), second, nn.ReLU(), nn.MaxPool2d(2)]
    last = nn.Linear(32 * 4 * 4, len(data.ANIMALS))
    return _normalised(nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.25), last), data.ANIMALS)


class Gru(nn.Module):
    """A gated recurrent layer over letters, and a linear layer on its last state."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.letter = nn.Embedding(len(data.ALPHABET), 16)
        self.gru = nn.GRU(16, width, batch_first=True)
        self.last = nn.Linear(width, len(data.ALPHABET))

    def forward(self, letters: Tensor) -> Tensor:
        scores: Tensor = self.last(self.gru(self.letter(letters))[0][:, -1])
        return scores


def bag_of_words() -> nn.Module:
    """The mean of the words' embeddings, then a linear layer."""
    words = nn.EmbeddingBag(data.WORDS, 32, mode="mean", padding_idx=0)
    return nn.Sequential(words, nn.Linear(32, len(data.PACKAGES)))


class Transformer(nn.Module):
    """One encoder layer over tokens and their places, the mean over the sequence, a linear layer."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.token = nn.Embedding(data.LETTERS, width)
        self.place = nn.Parameter(0.1 * torch.randn(data.TOKENS, width))
        self.encoder = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.last = nn.Linear(width, data.LETTERS)

    def forward(self, tokens: Tensor) -> Tensor:
        encoded = self.encoder(self.token(tokens) + self.place)
        scores: Tensor = self.last(encoded.mean(1))
        return scores


def _drawn() -> torch.Generator:
    """A generator seeded from torch's own, for the nets that take one."""
    return torch.Generator().manual_seed(int(torch.randint(2**31, ())))


def _normalised(net: nn.Module, classes: tuple[str, ...] = data.CLASSES) -> nn.Module:
    pixels = data.cifar10(classes).train[0]
    return FromImages(net, pixels.mean((0, 2, 3))[:, None, None], pixels.std((0, 2, 3))[:, None, None])
