"""Collectives read from HLO text as XLA writes it: kinds, bytes of results, groups, bytes sent."""

import pytest

from dsslic_jax.plan.collectives import Collective, read_collectives

# Lines as the TPU compiler of libtpu 0.0.42 and the CPU compiler of jaxlib 0.10.2 write them, shortened.
MESH_GROUPS = (
    "  %all-reduce.1 = f32[3,3,64,128]{3,2,1,0:T(8,128)} all-reduce(%fusion.8), channel_id=9, "
    "replica_groups=mesh['axis_0'=8,'axis_1'=2,'axis_2'=1] {'axis_0'}, use_global_device_ids=true"
)
MESH_WITH_IDS = (
    "  %all-gather.1 = bf16[3,3,64,128]{3,2,1,0} all-gather(%param.1), channel_id=1, "
    "replica_groups=mesh['axis_0'=1,'axis_1'=2,'axis_2'=8], device_ids=([4,2,2]T(1,0,2)) {'axis_1'}, dimensions={2}"
)
TUPLE = (
    "  ROOT %all-reduce.110 = (f32[8]{0:T(128)}, bf16[2,4]{1,0:T(8,128)(2,1)}, /*index=2*/f32[]{:T(128)}) "
    "all-reduce(%a, %b, %c), channel_id=41, replica_groups={{0,1,2,3}}, to_apply=%add"
)
PERMUTE_START = (
    "  %collective-permute-start = (f32[8,1,64,64]{3,0,2,1:T(8,128)}, f32[8,1,64,64]{3,0,2,1:T(8,128)}, u32[]{:S(2)}, "
    "u32[]{:S(2)}) collective-permute-start(%x), channel_id=7, source_target_pairs={{0,1},{2,3}}"
)
PERMUTE_DONE = (
    "  %collective-permute-done = f32[8,1,64,64]{3,0,2,1:T(8,128)} "
    "collective-permute-done(%collective-permute-start)"
)
GATHER_START = (
    "  %ags = ((f32[4]{0}, f32[2]{0}), (f32[16]{0}, f32[8]{0})) all-gather-start(%a, %b), "
    "replica_groups=[2,4]<=[8], dimensions={0}"
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (MESH_GROUPS, Collective("all-reduce", 3 * 3 * 64 * 128 * 4, 8)),
        (MESH_WITH_IDS, Collective("all-gather", 3 * 3 * 64 * 128 * 2, 2)),
        (TUPLE, Collective("all-reduce", 8 * 4 + 8 * 2 + 4, 4)),
        (PERMUTE_START, Collective("collective-permute", 8 * 64 * 64 * 4, 16)),
        (GATHER_START, Collective("all-gather", (16 + 8) * 4, 4)),
        (
            "  %rs = f32[4]{0} reduce-scatter(%a), replica_groups=[4,2]<=[2,4]T(1,0), dimensions={0}",
            Collective("reduce-scatter", 16, 2),
        ),
        (
            "  %a2a = pred[6]{0} all-to-all(%a), replica_groups={}",
            Collective("all-to-all", 6, 16),
        ),
        (
            "  %ar = s8[3]{0} all-reduce-start(%a), replica_groups={{0,2},{1,3}}, to_apply=%max",
            Collective("all-reduce", 3, 2),
        ),
    ],
)
def test_a_line_of_hlo_is_read_as_its_collective(line: str, expected: Collective) -> None:
    assert read_collectives(line, 16) == [expected]


def test_lines_that_are_no_collective_or_end_one_count_nothing() -> None:
    lines = (
        PERMUTE_DONE,
        "  %get-tuple-element.1 = f32[]{:T(128)} get-tuple-element(%all-reduce.110), index=46",
        '  %f = f32[4]{0} fusion(%all-reduce.1), metadata={op_name="all-reduce(x)"}',
    )
    assert read_collectives("\n".join(lines), 16) == []


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("all-reduce", 2 * 300.0),  # a ring sends 3 of 4 quarters twice
        ("all-gather", 300.0),  # and once
        ("reduce-scatter", 3 * 400.0),  # results are quarters
        ("all-to-all", 300.0),
        ("collective-permute", 400.0),
    ],
)
def test_four_chips_send_what_a_ring_needs(kind: str, sent: float) -> None:
    assert Collective(kind, 400, 4).sent_bytes == sent
    assert Collective(kind, 400, 1).sent_bytes == 0.0
