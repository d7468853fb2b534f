"""The training step of `dsslic_jax.train.tasks.coarse` in PyTorch, to measure ours against: same networks and losses.

The poster's choices alone: log loss, alternating updates, every feature layer, SSIM on [0, 1].
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from dsslic_jax.convert.torch.loading import discriminator_of, modules_of
from dsslic_jax.models.pixels import IMAGENET_MEAN, IMAGENET_STD
from dsslic_jax.models.vgg import BLOCKS
from dsslic_jax.train.losses.ssim import gaussian_window
from dsslic_jax.train.state import TrainState

Features = list[list[Tensor]]


class TorchStep:
    """Holds networks and optimisers; `step(picture, labels)` trains once and returns the losses' names and values."""

    def __init__(
        self, config: Any, bundle: Any, state: TrainState, device: str, channels_last: bool
    ) -> None:
        """The networks begin with the weights of `state`.

        Args:
          config: the settings of the run.
          bundle: the model directory of `state`.
          state: a state of our own training, VGG in `frozen` or None.
          device: "cpu" or "cuda".
          channels_last: memory layout of weights and pictures.
        """
        self.config, self.device = config, device
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        parts = modules_of(bundle)
        learners = {
            f"discriminator/{name}": array
            for name, array in _flat(state.discriminator.params).items()
        }
        judge = discriminator_of(learners, config.discriminator.norm)
        self.encoder, self.decoder, self.judge = (
            network.train().to(device, memory_format=self.layout)
            for network in (parts["encoder"], parts["decoder"], judge)
        )
        self.vgg = None
        if state.frozen is not None:
            self.vgg = TorchVGG(state.frozen).to(device, memory_format=self.layout)
        settings = config.optimizer
        generator = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizers = [
            torch.optim.Adam(parameters, settings.learning_rate, (settings.beta1, settings.beta2))
            for parameters in (self.judge.parameters(), generator)
        ]
        self.taps = torch.from_numpy(gaussian_window()).to(device)
        self.autocast = config.precision == "bfloat16"

    def put(self, batch: dict[str, np.ndarray]) -> tuple[Tensor, Tensor]:
        """A batch of ours -> picture float [B, 3, H, W] in [-1, 1] and labels [B, H, W] on the device."""
        picture = torch.from_numpy(batch["image"]).to(self.device).permute(0, 3, 1, 2)
        picture = (picture.float() / 127.5 - 1.0).contiguous(memory_format=self.layout)
        return picture, torch.from_numpy(batch["labels"]).to(self.device).long()

    def step(self, picture: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """One update of the discriminator, then one of the generator."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            return self._step(picture, labels)

    def _step(self, picture: Tensor, labels: Tensor) -> dict[str, Tensor]:
        losses = self.config.losses
        one_hot = F.one_hot(labels, self.config.model.classes).permute(0, 3, 1, 2).to(picture.dtype)
        compact = self.encoder(labels, picture).float()
        rounded = ((compact + 1) * 127.5).round() / 127.5 - 1
        upsampled = self.decoder.upsample(compact + (rounded - compact).detach())
        coarse = upsampled + self.decoder.finenet(labels, upsampled).float()

        def judged(compact: Tensor, shown: Tensor) -> Features:
            return self.judge(torch.cat([one_hot, compact, shown], 1))

        real = judged(upsampled.detach(), picture)
        fake = judged(upsampled.detach(), coarse.detach())
        loss_d = sum(F.softplus(-r[-1].float()).mean() for r in real) + sum(
            F.softplus(f[-1].float()).mean() for f in fake
        )
        self._update(0, loss_d)

        self.judge.requires_grad_(False)
        with torch.no_grad():
            real = judged(upsampled, picture)
        fake = judged(upsampled, coarse)
        terms = {
            "G/gan": losses.gan_weight * sum(F.softplus(-f[-1].float()).mean() for f in fake),
            "G/l1": losses.l1_weight * _distance(picture, coarse),
            "G/ssim": -losses.ssim_weight * self.ssim((picture + 1) / 2, (coarse + 1) / 2),
            "G/dis": losses.features_weight
            * sum(
                _distance(r, f)
                for a, b in zip(real, fake, strict=True)
                for r, f in zip(a, b, strict=True)
            ),
        }
        if self.vgg is not None:
            with torch.no_grad():
                seen = self.vgg(picture)
            made = self.vgg(coarse)
            terms["G/vgg"] = losses.vgg_weight * sum(map(_distance, seen, made))
        total = sum(terms.values())
        self._update(1, total)
        self.judge.requires_grad_(True)
        terms |= {"G/total": total, "D/total": loss_d}
        return {name: term.detach() for name, term in terms.items()}

    def _update(self, learner: int, loss: Any) -> None:
        self.optimizers[learner].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[learner].step()

    def ssim(self, x: Tensor, y: Tensor) -> Tensor:
        """`train.ssim.ssim` of [B, 3, H, W]."""
        c1, c2 = 0.01**2, 0.03**2
        mean_x, mean_y = self._local_mean(x), self._local_mean(y)
        var_x = self._local_mean(x * x) - mean_x**2
        var_y = self._local_mean(y * y) - mean_y**2
        covariance = self._local_mean(x * y) - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        return (luminance * (2 * covariance + c2) / (var_x + var_y + c2)).mean()

    def _local_mean(self, x: Tensor) -> Tensor:
        with torch.autocast(self.device, enabled=False):
            planes = x.float().flatten(0, 1)[:, None]
            rows = F.conv2d(planes, self.taps.view(1, 1, -1, 1))
            return F.conv2d(rows, self.taps.view(1, 1, 1, -1))


class TorchVGG(nn.Module):
    """`models.vgg.VGG19Features` with our weights."""

    def __init__(self, params: Any) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.blocks = nn.ModuleList()
        for indices in BLOCKS:
            block = nn.ModuleList()
            for index in indices:
                own = params[f"features_{index}"]
                weight = torch.from_numpy(np.array(own["kernel"]).transpose(3, 2, 0, 1).copy())
                convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
                convolution.weight.data, convolution.bias.data = (  # type: ignore[union-attr]
                    weight,
                    torch.from_numpy(np.array(own["bias"])),
                )
                block.append(convolution)
            self.blocks.append(block)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """[B, 3, H, W] in [-1, 1] -> relu1_1 … relu5_1."""
        x = ((x + 1) / 2 - self.mean) / self.std
        outputs = []
        for number, block in enumerate(self.blocks):
            x = F.max_pool2d(x, 2) if number else x
            for position, convolution in enumerate(block):  # type: ignore[arg-type]
                x = F.relu(convolution(x))
                outputs += [x] if position == 0 else []
        return outputs


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return (a.float() - b.float()).abs().mean()


def _flat(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for key, value in tree.items():
        name = f"{prefix}/{key}" if prefix else key
        found |= _flat(value, name) if hasattr(value, "items") else {name: np.asarray(value)}
    return found
