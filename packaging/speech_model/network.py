"""The acoustic model: 220 thousand parameters that look 150 ms to each side, trained in a quarter of an hour.

The only part that needs torch. What comes out are plain matrices, ready for `kaldi.py`.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from kaldi import MARGIN, Layer
from torch import nn

WIDTH = 128
BATCH = 64


OFFSETS = ((-2, -1, 0, 1, 2), (-1, 0, 1), (-3, 0, 3), (-3, 0, 3), (-6, 0, 6), (0,))


class _Network(nn.Module):
    def __init__(self, *, inputs: int, outputs: int, mean: np.ndarray, spread: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[None, :, None])
        self.register_buffer("spread", torch.tensor(spread, dtype=torch.float32)[None, :, None])
        # The third and later layers run on every third frame, so their steps of 3 and 6 frames are of 1 and 2.
        self.convolutions = nn.ModuleList(
            (
                nn.Conv1d(inputs, WIDTH, 5),
                nn.Conv1d(WIDTH, WIDTH, 3, stride=3),
                nn.Conv1d(WIDTH, WIDTH, 3),
                nn.Conv1d(WIDTH, WIDTH, 3),
                nn.Conv1d(WIDTH, WIDTH, 3, dilation=2),
                nn.Conv1d(WIDTH, outputs, 1),
            )
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH, affine=False) for _ in range(5))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        found = (frames - self.mean) / self.spread
        for convolution, norm in zip(self.convolutions[:-1], self.norms, strict=True):
            found = norm(torch.relu(convolution(found)))
        return self.convolutions[-1](found)


def train(shards: Sequence[Path], *, outputs: int, epochs: int, seconds: float) -> tuple[list[Layer], np.ndarray, str]:
    """The layers, the share of each label, and in words how well it does on the last shard, which is not trained on.

    Ends after `epochs`, or early when `seconds` would be exceeded; the learning rate falls with whichever is nearer.
    """
    torch.set_num_threads(1)
    torch.manual_seed(3)
    chance = np.random.default_rng(3)
    utterances = [each for shard in shards[:-1] for each in _utterances(shard)]
    unseen = _utterances(shards[-1])[:400]
    every = np.concatenate([frames for frames, _ in utterances[::5]]).astype(np.float32)
    network = _Network(inputs=every.shape[1], outputs=outputs, mean=every.mean(0), spread=every.std(0))
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.02, ignore_index=-1)
    order = np.argsort([len(frames) + chance.normal(0, 15) for frames, _ in utterances])
    batches = [order[place : place + BATCH] for place in range(0, len(order), BATCH)]
    began, steps = time.monotonic(), 0
    for epoch in range(epochs):
        total = 0.0
        for number in chance.permutation(len(batches)):
            done = max(steps / (epochs * len(batches)), (time.monotonic() - began) / seconds)
            if done >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = 2e-3 * (1 - done)
            frames, labels = _batch([utterances[each] for each in batches[number]])
            loss = loss_of(network(frames)[:, :, : labels.shape[1]], labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            steps, total = steps + 1, total + loss.item()
        print(f"  epoch {epoch + 1}: loss {total / len(batches):.3f}, {time.monotonic() - began:.0f} s", flush=True)
    counts = np.bincount(np.concatenate([labels for _, labels in utterances]), minlength=outputs) + 1.0
    network.eval()
    right, frames_judged = 0, 0
    with torch.no_grad():
        for utterance in unseen:
            frames, labels = _batch([utterance])
            judged = network(frames)[0, :, : labels.shape[1]].argmax(0).numpy()
            speech = labels[0].numpy() > 0
            right += int((judged == labels[0].numpy())[speech].sum())
            frames_judged += int(speech.sum())
    words = f"{right / frames_judged:.3f} of the frames with speech, after {time.monotonic() - began:.0f} s of training"
    return _layers(network), counts / counts.sum(), words


def _utterances(shard: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    with np.load(shard) as stored:
        features, labels, lengths = stored["features"], stored["labels"], stored["lengths"]
    ends = np.cumsum(lengths)
    label_ends = np.cumsum(-(-lengths // 3))
    return [
        (features[end - length : end], labels[label_end - -(-length // 3) : label_end])
        for end, label_end, length in zip(ends, label_ends, lengths, strict=True)
    ]


def _batch(utterances: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(frames) for frames, _ in utterances)
    frames = np.stack(
        [
            np.pad(each.astype(np.float32), ((MARGIN, MARGIN + longest - len(each)), (0, 0)), mode="edge")
            for each, _ in utterances
        ]
    )
    labels = np.full((len(utterances), -(-longest // 3)), -1, dtype=np.int64)
    for row, (_, each) in enumerate(utterances):
        labels[row, : len(each)] = each
    return torch.from_numpy(frames).transpose(1, 2), torch.from_numpy(labels)


def _layers(network: _Network) -> list[Layer]:
    """Plain affine layers with every normalisation folded into the next one."""
    shift = network.mean.numpy().ravel()
    scale = network.spread.numpy().ravel()
    layers = []
    for place, (convolution, offsets) in enumerate(zip(network.convolutions, OFFSETS, strict=True)):
        weights = convolution.weight.detach().numpy().astype(np.float64) / scale[None, :, None]
        bias = convolution.bias.detach().numpy() - (weights * shift[None, :, None]).sum(axis=(1, 2))
        layers.append(Layer(offsets, weights.transpose(0, 2, 1).reshape(len(bias), -1), bias))
        if place < len(network.norms):
            norm = network.norms[place]
            shift = norm.running_mean.numpy().astype(np.float64)
            scale = np.sqrt(norm.running_var.numpy().astype(np.float64) + norm.eps)
    return layers
