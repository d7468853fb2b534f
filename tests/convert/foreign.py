"""Other programs' networks in PyTorch, with their published key names and layer shapes and random weights."""

from typing import Any

import numpy as np


def randomised(torch: Any, network: Any, seed: int = 0) -> Any:
    """The network for inference, with random weights that keep activations near 1, and random statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.ndim == 4:
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
            elif tensor.ndim == 1:
                low = 0.5 if name.endswith(("weight", "running_var")) else -0.3
                tensor.uniform_(low, low + 0.6, generator=generator)
    return network.eval()


def arrays_of(network: Any, prefix: str = "") -> dict[str, np.ndarray]:
    return {f"{prefix}{name}": tensor.numpy() for name, tensor in network.state_dict().items()}


def _conv(nn: Any, inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1) -> Any:
    return nn.Conv2d(inputs, outputs, size, stride, dilation * (size // 2), dilation, bias=False)


def _bottleneck(
    torch: Any, inputs: int, width: int, stride: int, dilation: int, first: bool
) -> Any:
    nn = torch.nn

    class Bottleneck(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = _conv(nn, inputs, width, 1), nn.BatchNorm2d(width)
            self.conv2 = _conv(nn, width, width, 3, stride, dilation)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3, self.bn3 = _conv(nn, width, 4 * width, 1), nn.BatchNorm2d(4 * width)
            self.downsample = None
            if first:
                shortcut = _conv(nn, inputs, 4 * width, 1, stride)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.bn1(self.conv1(x)))
            y = torch.relu(self.bn2(self.conv2(y)))
            return torch.relu(
                self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x))
            )

    return Bottleneck()


def resnet(torch: Any, stages: tuple[int, ...], width: int, stem: str) -> Any:
    """A dilated bottleneck ResNet without classifier: stem "csail" (conv1 to conv3), "timm" (conv1.0 …) or "7x7"."""
    nn = torch.nn
    sizes = [(3, width, 2), (width, width, 1), (width, 2 * width, 1)]

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if stem == "csail":
                for i, (inputs, outputs, stride) in enumerate(sizes, 1):
                    self.add_module(f"conv{i}", _conv(nn, inputs, outputs, 3, stride))
                    self.add_module(f"bn{i}", nn.BatchNorm2d(outputs))
            elif stem == "timm":
                layers = []
                for inputs, outputs, stride in sizes:
                    layers += [_conv(nn, inputs, outputs, 3, stride)]
                    layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
                self.conv1, self.bn1 = nn.Sequential(*layers[:-2]), nn.BatchNorm2d(2 * width)
            else:
                self.conv1, self.bn1 = _conv(nn, 3, width, 7, 2), nn.BatchNorm2d(width)
            features = width if stem == "7x7" else 2 * width
            for stage, count in enumerate(stages):
                blocks = []
                for i in range(count):
                    stride = 2 if stage == 1 and i == 0 else 1
                    dilation = (1, 1, 2, 4)[stage] // (2 if stage > 1 and i == 0 else 1)
                    inner = width * 2**stage
                    blocks.append(_bottleneck(torch, features, inner, stride, dilation, i == 0))
                    features = 4 * inner
                self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

        def forward(self, x: Any) -> tuple[Any, Any]:
            x = torch.relu(self.bn1(self.conv1(x)))
            if stem == "csail":
                x = torch.relu(self.bn2(self.conv2(x)))
                x = torch.relu(self.bn3(self.conv3(x)))
            x = nn.functional.max_pool2d(x, 3, 2, 1)
            before_last = self.layer3(self.layer2(self.layer1(x)))
            return before_last, self.layer4(before_last)

    return randomised(torch, ResNet())


def pyramid_decoder(torch: Any, features: int, width: int, scores: int) -> Any:
    """Pyramid pooling and an auxiliary head, as CSAILVision's `ppm_deepsup` names them."""
    nn = torch.nn

    def normed(inputs: int, size: int, outputs: int = width) -> list[Any]:
        return [_conv(nn, inputs, outputs, size), nn.BatchNorm2d(outputs), nn.ReLU()]

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ppm = nn.ModuleList(
                nn.Sequential(nn.AdaptiveAvgPool2d(bins), *normed(features, 1))
                for bins in (1, 2, 3, 6)
            )
            last = [nn.Dropout2d(0.1), nn.Conv2d(width, scores, 1)]
            self.conv_last = nn.Sequential(*normed(features + 4 * width, 3), *last)
            self.cbr_deepsup = nn.Sequential(*normed(features // 2, 3, features // 4))
            self.conv_last_deepsup = nn.Conv2d(features // 4, scores, 1)

        def forward(self, before_last: Any, x: Any) -> tuple[Any, Any]:
            pooled = [
                nn.functional.interpolate(ppm(x), x.shape[2:], mode="bilinear") for ppm in self.ppm
            ]
            auxiliary = self.conv_last_deepsup(self.cbr_deepsup(before_last))
            return self.conv_last(torch.cat([x, *pooled], 1)), auxiliary

    return randomised(torch, Decoder(), seed=1)


def generator(torch: Any, channels: int, width: int, downs: int, blocks: int, norm: str) -> Any:
    """pix2pixHD's global generator."""
    nn = torch.nn
    made = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}[norm]

    class Residual(nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            half = [nn.ReflectionPad2d(1), nn.Conv2d(features, features, 3), made(features)]
            other = [nn.ReflectionPad2d(1), nn.Conv2d(features, features, 3), made(features)]
            self.conv_block = nn.Sequential(*half, nn.ReLU(), *other)

        def forward(self, x: Any) -> Any:
            return x + self.conv_block(x)

    layers = [nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), made(width), nn.ReLU()]
    features = width
    for _ in range(downs):
        layers += [nn.Conv2d(features, 2 * features, 3, 2, 1), made(2 * features), nn.ReLU()]
        features *= 2
    layers += [Residual(features) for _ in range(blocks)]
    for _ in range(downs):
        layers += [nn.ConvTranspose2d(features, features // 2, 3, 2, 1, 1)]
        layers += [made(features // 2), nn.ReLU()]
        features //= 2
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            return self.model(x)

    return randomised(torch, Generator())


def vgg19(torch: Any) -> Any:
    """torchvision's `features` of VGG19."""
    nn = torch.nn
    layers, inputs = [], 3
    for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return randomised(torch, nn.Sequential(*layers))
