"""How fast the slot autoencoder trains and infers, side by side with the same net in plain PyTorch.

    python benchmarks/slots_speed.py            all cases, a table, and results/slots_speed.json
    python benchmarks/slots_speed.py CASE       one case in this process, its figures as JSON

The work: the net of benchmarks/slots.py ("all choices"), batches of 64 of 32 x 32 sprites, 5 slots, Adam, float32; and
from pictures to labels, 256 at a time. Each case runs in a process of its own; the cases take turns, three rounds, and
the table shows medians. PyTorch is measured where it is installed.
"""

import statistics
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from throughput import medians_of_rounds, start, write

RESULT = Path(__file__).parent / "results" / "slots_speed.json"
N, BATCH, EPOCHS, RATE, AT_ONCE = 2_560, 64, 4, 1e-3, 256
SIZE, CHANNELS, CANVAS, HIDDEN, BELLS, REACH, SCALE, TRIES = 32, 32, 12, 64, 6, 3.0, 0.15, 3


def figures(seconds, infer):
    """From the seconds of every epoch (the first compiles) and a function that labels AT_ONCE pictures."""
    infer()
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        infer()
        took.append(time.perf_counter() - begun)
    return {
        "steps/s": N // BATCH / statistics.median(seconds[1:]),
        "inference, ms an image": 1000 * statistics.median(took) / AT_ONCE,
    }


def pictures():
    return np.random.default_rng(0).random((N, 32, 32, 3), dtype=np.float32)


def aecore_case():
    import keras
    from slots import model

    slots, x, marks = model(0), pictures(), []
    slots.compile(keras.optimizers.Adam(RATE))
    clock = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: marks.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: marks.append(time.perf_counter()),
    )
    slots.fit(x, epochs=EPOCHS, batch_size=BATCH, callbacks=[clock], verbose=0)
    return {**figures(np.diff(marks), lambda: slots.predict(x[:AT_ONCE])), "parameters": slots.count_params()}


def torch_case():
    import torch
    from torch import nn

    middles = lambda n: (2 * torch.arange(n) + 1) / n - 1
    normal = lambda x: nn.functional.layer_norm(x, x.shape[-1:])
    centres = torch.linspace(-2, 2, BELLS - 1)

    def bells(r):
        bumps = torch.exp(-((r[..., None] - centres) ** 2) / (2 * 0.6**2))
        return torch.cat([torch.ones_like(r[..., None]), bumps], dim=-1)

    def hats(r, knots, reach):
        places = torch.linspace(-reach, reach, knots)
        return torch.relu(1 - (r.clamp(-reach, reach)[..., None] - places).abs() / (places[1] - places[0]))

    def seen_from(frames, n):
        return [(middles(n) - frames[..., i : i + 1]) / frames[..., i + 2 : i + 3] for i in (0, 1)]

    class Rules(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.where = nn.Linear(SIZE, SIZE, bias=False), nn.Linear(SIZE, BELLS**2)
            self.cell = nn.GRUCell(3 * SIZE + BELLS**2, SIZE)
            self.mlp = nn.Sequential(nn.Linear(SIZE, 2 * SIZE), nn.ReLU(), nn.Linear(2 * SIZE, SIZE))

        def ask(self, s):
            s = normal(s)
            return self.query(s), self.where(s).unflatten(-1, (BELLS, BELLS))

        def take(self, s, seen):
            s = self.cell(seen.flatten(0, 1), s.flatten(0, 1)).view(s.shape)
            return s + self.mlp(normal(s))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(3, CHANNELS, 4, 2, 1), nn.ReLU(), nn.Conv2d(CHANNELS, CHANNELS, 3, 1, 1)
            )
            self.key, self.value = (nn.Linear(CHANNELS, SIZE, bias=False) for _ in range(2))
            self.first, self.objects, self.ground = nn.Linear(SIZE, SIZE), Rules(), Rules()
            self.deviation, self.start = nn.Parameter(torch.full((SIZE,), 0.3)), nn.Parameter(torch.randn(SIZE))
            self.bias = nn.Parameter(torch.tensor(-2.0))
            self.read, self.read_ground = (nn.Sequential(nn.Linear(SIZE, HIDDEN), nn.ReLU()) for _ in range(2))
            self.stretch, self.mask, self.paints = (nn.Linear(HIDDEN, n) for n in (2, CANVAS**2, 3))
            self.paint_all = nn.Linear(HIDDEN, 4 * 4 * 3)
            self.register_buffer("inside", nn.functional.pad(torch.ones(CANVAS - 2, CANVAS - 2), (1, 1, 1, 1)) > 0)

        def each(self, method, *arrays):
            parts = [getattr(self.ground, method)(*(a[:, :1] for a in arrays)),
                     getattr(self.objects, method)(*(a[:, 1:] for a in arrays))]  # fmt: skip
            return [torch.cat(p, 1) for p in zip(*parts, strict=True)] if method == "ask" else torch.cat(parts, 1)

        def begin(self, keys, noise, h):
            fixed, places, nearest, row = keys.detach(), [], [], torch.arange(len(keys))
            far = ((fixed - fixed.mean(1, keepdim=True)) ** 2).sum(-1)
            for j in range(noise.shape[1]):
                odds = far.cumsum(1)
                drawn = odds[:, -1:] * ((noise[:, j, :1] + torch.arange(TRIES) / TRIES) % 1)
                tried = (odds[:, None] < drawn[..., None]).sum(-1).clamp(max=h * h - 1)
                near = ((fixed[:, None] - fixed[row[:, None], tried][:, :, None]) ** 2).sum(-1)
                left = torch.minimum(far[:, None], near)
                best = left.sum(-1).argmin(1)
                i, far = tried[row, best], left[row, best]
                places.append(torch.stack([middles(h)[i // h], middles(h)[i % h]], -1))
                nearest.append(keys[row, i][:, None])
            places = torch.stack(places, 1)
            features = self.deviation * noise[..., 2:] + self.first(torch.cat(nearest, 1))
            frames = torch.cat([places, torch.full_like(places, 0.25)], -1)
            whole = torch.tensor([0.0, 0.0, 0.5, 0.5]).expand(len(keys), 1, 4)
            ground = self.start.expand(len(keys), 1, SIZE)
            return torch.cat([whole, frames], 1), torch.cat([ground, features], 1)

        def look(self, frames, s, keys, values):
            b, h, w, _ = values.shape
            rows, columns = seen_from(frames, h)
            down, across = bells(rows), bells(columns)
            query, where = self.each("ask", s)
            logits = (query @ keys.transpose(1, 2) / SIZE**0.5).view(b, -1, h, w)
            logits = logits + down @ where @ across.transpose(-1, -2)
            bell = lambda r: -(r**2).clamp(max=REACH**2) / 2
            near = bell(rows)[..., None] + bell(columns)[..., None, :]
            logits = logits + torch.cat([torch.zeros_like(near[:, :1]) + self.bias, near[:, 1:]], 1)
            a = logits.softmax(1) + 1e-6
            a = a / a.sum((2, 3), keepdim=True)
            by_row = torch.einsum("bkhw,bhwd->bkhd", a, values)
            clip = lambda r: r.clamp(-REACH, REACH)
            seen = torch.cat([
                by_row.sum(2), torch.einsum("bkhd,bkh->bkd", by_row, clip(rows)),
                torch.einsum("bkhw,bhwd->bkd", a * clip(columns)[..., None, :], values),
                (down.transpose(-1, -2) @ a @ across).flatten(2),
            ], -1)  # fmt: skip
            means, deviations = [], []
            for share in (a.sum(3), a.sum(2)):
                means.append((share * middles(h)).sum(-1))
                variance = (share * (middles(h) - means[-1][..., None]) ** 2).sum(-1)
                deviations.append((variance + 1e-4).sqrt().clamp(0.08, 0.5))
            moved = torch.stack([*means, *deviations], -1)
            return torch.cat([frames[:, :1], moved[:, 1:]], 1), self.each("take", s, seen)

        def forward(self, x, noise):
            """log p(x_i, k | slots): (b, k, h, w)."""
            f = self.encoder(x.permute(0, 3, 1, 2) - 0.5).permute(0, 2, 3, 1)
            b, h, _, _ = f.shape
            f = normal(f)
            keys, values = normal(self.key(f)).flatten(1, 2), self.value(f)
            frames, s = self.begin(keys, noise, h)
            for _ in range(3):
                frames, s = self.look(frames, s, keys, values)
            read = self.read(s[:, 1:])
            hung = torch.cat([frames[:, 1:, :2], frames[:, 1:, 2:] * self.stretch(read).exp()], -1)
            canvas = torch.where(self.inside, self.mask(read).unflatten(-1, (CANVAS, CANVAS)), -8.0)
            rows, columns = (hats(r, CANVAS, REACH) for r in seen_from(hung, 32))
            logits = rows @ canvas @ columns.transpose(-1, -2)
            logits = torch.cat([torch.zeros_like(logits[:, :1]), logits], 1)
            knots = hats(middles(32), 4, 1.0)
            ground = self.paint_all(self.read_ground(s[:, 0])).view(b, 4, 4, 3) + 0.5
            ground = torch.einsum("hr,brsc,ws->bhwc", knots, ground, knots)[:, None]
            colours = torch.cat([ground, (self.paints(read) + 0.5)[:, :, None, None].expand(-1, -1, 32, 32, -1)], 1)
            error = ((x[:, None] - colours) ** 2).sum(-1)
            return logits.log_softmax(1) - error / (2 * SCALE**2)

    torch.manual_seed(0)
    net, x = Net(), torch.from_numpy(pictures())
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    draw = lambda n: torch.cat([torch.rand(n, 4, 2), torch.randn(n, 4, SIZE)], -1)
    seconds = []
    for _ in range(EPOCHS):
        begun, order = time.perf_counter(), torch.randperm(N)
        for i in range(0, N, BATCH):
            optimizer.zero_grad()
            batch = x[order[i : i + BATCH]]
            loss = -net(batch, draw(BATCH)).logsumexp(1).sum((1, 2)).mean()
            loss.backward()
            optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - begun)
    with torch.inference_mode():
        result = figures(seconds, lambda: net(x[:AT_ONCE], draw(AT_ONCE)).argmax(1))
    return {**result, "parameters": sum(p.numel() for p in net.parameters())}


CASES = {
    "aecore, TensorFlow": ("tensorflow", aecore_case),
    "aecore, JAX": ("jax", aecore_case),
    "PyTorch, eager": ("tensorflow", torch_case),
}


def main():
    names = [name for name in CASES if name != "PyTorch, eager" or find_spec("torch")]
    medians = medians_of_rounds(__file__, names)
    base = medians.get("PyTorch, eager", medians[names[0]])["steps/s"]
    print(f"{'case':24}{'steps/s':>10}{'ratio':>8}{'ms an image':>14}{'parameters':>12}{'peak, GB':>10}")
    for name, m in medians.items():
        cells = f"{m['steps/s']:10.2f}{m['steps/s'] / base:8.2f}{m['inference, ms an image']:14.2f}"
        print(f"{name:24}{cells}{m['parameters']:12,.0f}{m['peak memory, GB']:10.2f}")
    write(RESULT, medians)


if __name__ == "__main__":
    start(CASES, main, __doc__)
