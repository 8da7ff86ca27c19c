"""The decoders of slots as the page runs them, beside Python's: the same pictures and masks, edited or not."""

import numpy as np
import pytest
from slotted import discs, slot_model
from test_live import MODULE, PARITY

from aecore.slot_decoders import BroadcastDecoder
from aecore.slot_layers import FRAME
from aecore.widgets_slots import SlotScene

pytestmark = pytest.mark.slow

X = discs(3)
DECODERS = {
    "canvas": dict(),
    "coloured canvas, no background": dict(parts=dict(colours=3), background=False),
    "broadcast": dict(decoder=BroadcastDecoder),
    "broadcast, no background": dict(decoder=BroadcastDecoder, background=False),
}
# What the page makes of slots, (k, d + 4), those that are out left out.
PAINT = """async (cases) => {
  const { module, spec, data } = await (MODULE)(0);
  const net = (name) => spec[name] && module.network(spec[name], name, data);
  const objects = net("objects"), ground = net("ground");
  return cases.map(({ slots, out }) => {
    const painted = (s, j) => (j === 0 && ground ? ground.run(s.slice(4)) : objects.run(s));
    const layers = slots.map((s, j) => (out.includes(j) ? null : painted(s, j)));
    const { picture, masks } = module.painted(layers, 256, 3);
    return { picture: Array.from(picture), masks: masks.filter((_, j) => !out.includes(j)).map((m) => Array.from(m)) };
  });
}""".replace("MODULE", MODULE)


@pytest.mark.parametrize("name", DECODERS)
def test_the_page_paints_what_the_model_paints(stand, name):
    model, rng = slot_model(**DECODERS[name]), np.random.default_rng(4)
    ground = int(model.attention.background)
    slots = model.encode(X)
    edited = slots.copy()
    edited[:, ground:, :2] = rng.uniform(-1, 1, edited[:, ground:, :2].shape)
    edited[:, ground:, 2:FRAME] = rng.uniform(0.08, 0.5, edited[:, ground:, :2].shape)
    given = [(codes, out) for codes in (slots, edited) for out in ([], [ground], [ground, 3])]
    cases = [{"slots": s[i].tolist(), "out": out} for s, out in given for i in range(3)]
    with stand(SlotScene(model, X)) as (page, _, faults):
        assert all(max(off.values()) < 1e-3 for off in page.evaluate(PARITY, 0).values())
        found = iter(page.evaluate(PAINT, cases))
    assert faults == []
    for codes, out in given:
        left = np.delete(codes, out, axis=1)
        pictures, masks = model.decode(left), model.layers_of(left).masks
        for i in range(3):
            page_says = next(found)
            np.testing.assert_allclose(np.reshape(page_says["picture"], X.shape[1:]), pictures[i], atol=1e-3)
            np.testing.assert_allclose(
                np.reshape(page_says["masks"], (-1, 16, 16)), np.moveaxis(masks[i], -1, 0), atol=1e-3
            )
