"""The DeepLabV3+ networks: published parameter counts, and properties of each."""

import pytest
import torch
import torch.nn.functional as F
from on_paper import TWO, count, on_paper
from torch import nn

from taskscape.models import build
from taskscape.models.deeplab.skip_fusion import SkipFusion
from taskscape.models.layers.aspp import ASPP
from taskscape.models.layers.message_passing import GatedConvolution
from taskscape.models.layers.up_decoder import UpDecoder
from taskscape.models.layers.up_projection import UpProjection, _doubled, _doubled_channels_last

THREE = {**TWO, "normals": 3}


PUBLISHED = [
    ("deeplab-plain", {"output_stride": 32}, 21_421_396),
    ("deeplab-plain", {"output_stride": 16}, 21_421_396),
    ("deeplab-joint", {"bottleneck_se": True}, 26_749_396),
    ("deeplab-joint", {}, 26_716_084),
    ("deeplab-branched", {}, 32_142_356),
    ("deeplab-distill", {}, 37_095_656),
    ("deeplab-distill-up", {}, 41_701_288),
    ("deeplab-distill-up", {"phases": "shuffled"}, 41_701_288),
    ("deeplab-distill-se", {}, 41_965_304),
    ("deeplab-joint-lite", {}, 16_608_132),
    ("deeplab-branched-lite", {}, 22_034_612),
]
UNPUBLISHED = [  # counts that follow from the structure
    ("deeplab-distill-up", {"skip_2x": False}, 47_866_088),
    ("deeplab-fully-branched", {}, 34_456_404),
    ("deeplab-skip-fusion", {}, 22_097_050),
]


@pytest.mark.parametrize(("name", "options", "parameters"), PUBLISHED + UNPUBLISHED)
def test_parameters(name, options, parameters):
    assert count(on_paper(name, **options)) == parameters


def test_parameters_of_the_lite_parts():
    network = on_paper("deeplab-branched-lite")
    assert count(network.encoder) == 11_176_512
    for task, decoder in (("semseg", 1_299_779), ("depth", 1_295_153)):
        branch = network.branches[task]
        assert count(branch.aspp) == 4_131_584
        assert count(branch.decoder) + count(branch.head) == decoder
    joint = on_paper("deeplab-joint-lite")
    assert count(joint.decoder) + count(joint.heads) == 1_300_036


@pytest.mark.parametrize(
    ("name", "per_channel"),
    [
        ("deeplab-distill", 2 * 257),
        ("deeplab-distill-up", 2 * 129),
        ("deeplab-distill-se", 2 * 129),
        ("deeplab-skip-fusion", 257),
        ("deeplab-fully-branched", 257),
        ("deeplab-branched-lite", 257),
        ("deeplab-joint-lite", 257),
    ],
)
def test_a_class_more_costs_one_row_of_each_head(name, per_channel):
    assert count(on_paper(name, {"semseg": 20, "depth": 1})) - count(on_paper(name)) == per_channel


@pytest.mark.parametrize("options", [{"skip_width": 16}, {"skip_width": 64}, {"convolutions": 1}, {"convolutions": 3}])
def test_lite_decoders_of_other_sizes(options):
    network = on_paper("deeplab-joint-lite", **options)
    skip, convolutions = options.get("skip_width", 48), options.get("convolutions", 2)
    first = 9 * 256 * (256 + skip) + 3 * 256
    assert count(network.decoder) == 65 * skip + first + (convolutions - 1) * (9 * 256 * 256 + 3 * 256)


@pytest.mark.parametrize("name", ["deeplab-distill", "deeplab-distill-up", "deeplab-distill-se"])
def test_a_task_that_is_alone_predicts_once(name):
    network = build(name, {"depth": 1}, encoder="resnet18").eval()
    outputs = network(torch.rand(1, 3, 64, 64))
    assert outputs.auxiliary == {}
    outputs.final["depth"].sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", ["deeplab-distill", "deeplab-distill-up"])
def test_the_final_prediction_adds_the_messages_of_the_others(name):
    network = build(name, THREE, encoder="resnet18").eval()
    network(torch.rand(1, 3, 64, 64)).final["depth"].sum().backward()
    received = {
        (t, o) for t, m in network.messages.items() for o, g in m.senders.items() if g.gate.weight.grad is not None
    }
    assert received == {("depth", "semseg"), ("depth", "normals")}
    features = {task: torch.randn(1, 128 if name.endswith("up") else 256, 4, 4) for task in THREE}
    senders = network.messages["depth"].senders
    expected = senders["semseg"](features["semseg"]) + senders["normals"](features["normals"])
    torch.testing.assert_close(network.messages["depth"](features), expected)


def test_the_final_prediction_of_rung_nine_attends_to_all_tasks():
    network = build("deeplab-distill-se", THREE, encoder="resnet18").eval()
    network(torch.rand(1, 3, 64, 64)).final["depth"].sum().backward()
    assert network.attentions["semseg"].message.gate.weight.grad is None
    per_task = network.attentions["depth"].message.message.weight.grad.abs().sum((0, 2, 3)).view(3, 128).sum(1)
    assert (per_task > 0).all()


def test_initial_predictions_are_returned_to_be_supervised():
    network = build("deeplab-distill", TWO, encoder="resnet18")
    outputs = network(torch.rand(2, 3, 90, 150))
    initial = outputs.auxiliary["initial"]
    assert {task: raw.shape for task, raw in initial.items()} == {t: raw.shape for t, raw in outputs.final.items()}
    assert not torch.equal(initial["depth"], outputs.final["depth"])
    assert network.eval()(torch.rand(1, 3, 90, 150)).auxiliary == {}


@pytest.mark.parametrize(
    ("options", "widths"),
    [
        ({}, [128, 64, 128]),
        ({"narrow_tasks": ("semseg", "normals")}, [64, 128, 64]),
        ({"narrow_tasks": ()}, [128, 128, 128]),
    ],
)
def test_tasks_of_one_channel_are_narrow_unless_others_are_listed(options, widths):
    network = on_paper("deeplab-distill-se", {"semseg": 19, "distance": 1, "normals": 3}, **options)
    assert [head.in_channels for head in network.heads.values()] == widths


@pytest.mark.parametrize(
    ("name", "setting"), [("deeplab-distill-se", "narrow_tasks"), ("deeplab-fully-branched", "wide_tasks")]
)
def test_a_task_that_is_not_there_is_refused(name, setting):
    with pytest.raises(ValueError, match=f"network.{setting}: there is no task 'sempseg'; did you mean semseg"):
        on_paper(name, **{setting: ("sempseg",)})


def test_a_gate_begins_half_open():
    gate = GatedConvolution(3, 4)
    x = torch.randn(2, 3, 5, 6)
    torch.testing.assert_close(gate(x), F.conv2d(x, gate.message.weight, padding=1) / 2)


def test_an_interleaved_up_projection_is_a_convolution_of_the_map_with_zeros_in_between():
    torch.manual_seed(0)
    block = UpProjection(3, 4).double().eval()
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    spread = torch.zeros(2, 3, 10, 12, dtype=torch.float64)
    spread[..., ::2, ::2] = x
    kernel, bias = torch.zeros(4, 3, 5, 5, dtype=torch.float64), torch.zeros(4, 2, 2, dtype=torch.float64)
    for row, column, part in (
        (0, 0, block.even_even),
        (1, 0, block.odd_even),
        (0, 1, block.even_odd),
        (1, 1, block.odd_odd),
    ):
        scale = 1 / (part[1].running_var + part[1].eps).sqrt()
        kernel[..., row::2, column::2] = part[0].weight * scale[:, None, None, None]
        bias[:, row, column] = part[0].bias * scale
    expected = F.conv2d(spread, kernel, padding=2) + bias.repeat(1, 5, 6)
    torch.testing.assert_close(block(x), expected.relu())


def test_a_shuffled_up_projection_mixes_phases_and_channels():
    torch.manual_seed(0)
    block = UpProjection(3, 4, "shuffled").eval()
    x = torch.randn(1, 3, 5, 6)
    first = block.even_even(F.pad(x, (1, 1, 1, 1))).relu()
    torch.testing.assert_close(block(x)[:, 0], nn.PixelShuffle(2)(first)[:, 0])


@pytest.mark.parametrize("phases", ["interleaved", "shuffled"])
def test_up_projections_keep_channels_last(phases):
    """Even on devices on which torch's pixel shuffle does not, such as meta."""
    block = UpProjection(3, 4, phases)
    x = torch.rand(2, 3, 5, 6).contiguous(memory_format=torch.channels_last)
    expected = block(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = block(x)
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
    maps = [torch.cat([x, x + number], 1)[:, :4] for number in range(4)]
    maps = [one.contiguous(memory_format=torch.channels_last) for one in maps]
    assert torch.equal(_doubled_channels_last(maps, phases), _doubled(maps, phases))
    for doubled in (found, _doubled_channels_last([one.to("meta") for one in maps], phases)):
        assert doubled.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_a_pyramid_is_concatenated_in_its_order_in_memory(order):
    aspp = ASPP(3, 4).to(memory_format=order)
    seen = []
    aspp.project.register_forward_pre_hook(lambda module, inputs: seen.append(*inputs))
    aspp(torch.rand(2, 3, 6, 5).contiguous(memory_format=order))
    assert seen[0].is_contiguous(memory_format=order)


@pytest.mark.parametrize(("output_stride", "doublings"), [(8, 1), (16, 2), (32, 3)])
def test_as_many_doublings_as_the_encoder_needs(output_stride, doublings):
    network = on_paper("deeplab-distill-up", output_stride=output_stride)
    assert len(network.first_decoders["depth"].to_4) == doublings
    assert len(network.decoders["depth"].to_4) == 0


def test_doubled_maps_are_cut_to_odd_sizes():
    decoder = UpDecoder(8, (5, 6), 7, doublings=2).eval()
    features = decoder(torch.rand(1, 8, 6, 10), torch.rand(1, 5, 23, 38), torch.rand(1, 6, 45, 75))
    assert features.shape == (1, 7, 45, 75)


def test_an_encoder_without_stride_2():
    with pytest.raises(ValueError, match="stride 2"):
        build("deeplab-distill-up", TWO, encoder="convnext_atto")
    network = build("deeplab-distill-up", TWO, encoder="convnext_atto", skip_2x=False).eval()
    assert network(torch.rand(1, 3, 90, 150)).final["semseg"].shape == (1, 19, 90, 150)


def strides_and_dilations(network):
    branches = {task: single.aspp.branches for task, single in network.tasks.items()}
    dilations = {task: [branch[0].dilation[0] for branch in aspp] for task, aspp in branches.items()}
    return {task: (network.tasks[task].encoder.strides[-1], dilations[task]) for task in dilations}


def test_tasks_that_predict_classes_have_wide_dilations():
    wide, narrow = (8, [1, 6, 12, 18, 24]), (16, [1, 3, 6, 9])
    network = on_paper("deeplab-fully-branched")
    assert strides_and_dilations(network) == {"semseg": wide, "depth": narrow}
    assert network.shared_parameters() == ()
    network = on_paper("deeplab-fully-branched", THREE, wide_tasks=("depth", "normals"))
    assert strides_and_dilations(network) == {"semseg": narrow, "depth": wide, "normals": wide}


def test_three_channels_may_be_classes_or_a_vector_so_it_must_be_said():
    with pytest.raises(ValueError, match=r"network\.wide_tasks: the 3 channels of 'normals'"):
        on_paper("deeplab-fully-branched", THREE)


@pytest.mark.parametrize(("output_stride", "channels"), [(16, [64, 128, 512]), (8, [64, 512])])
def test_skip_fusion_reads_three_scales(output_stride, channels):
    network = on_paper("deeplab-skip-fusion", output_stride=output_stride)
    assert [attention.in_channels for attention in network.branches["depth"].fusion.attentions] == channels


def test_skip_fusion_weighs_and_joins():
    fusion = SkipFusion([2, 3])
    fine, coarse = torch.randn(1, 2, 8, 8), torch.randn(1, 3, 4, 4)
    attended = coarse * fusion.attentions[1](coarse).sigmoid()
    joined = fusion([fine, coarse])
    torch.testing.assert_close(joined[:, :2], fine * fusion.attentions[0](fine).sigmoid())
    torch.testing.assert_close(joined[:, 2:], F.interpolate(attended, size=(8, 8), mode="bilinear"))


@pytest.mark.parametrize("encoder", ["resnet10t", "seresnet18", "regnety_002", "convnext_atto", "efficientnet_b0"])
def test_the_last_layer_of_an_encoder_is_on_its_main_path(encoder):
    network = on_paper("deeplab-branched", encoder=encoder, bottleneck_se=True, output_stride=32)
    (layer,) = network.last_shared_layers()
    (name,) = (name for name, module in network.named_modules() if module is layer)
    assert name.startswith("encoder.") and name.split(".")[-1] in ("conv2", "conv3", "conv_pwl", "fc2", "conv")
    assert not {"downsample", "se"} & set(name.split("."))


def test_an_image_is_enlarged_for_the_encoder_and_outputs_are_not() -> None:
    options = {"encoder": "resnet10t", "width": 16}
    plain = build("deeplab-joint", {"semseg": 5}, **options).eval()
    zoomed = build("deeplab-joint", {"semseg": 5}, zoom=1.5, **options).eval()
    zoomed.load_state_dict(plain.state_dict())
    image = torch.rand(2, 3, 64, 96)
    enlarged = F.interpolate(image, scale_factor=1.5, mode="bilinear")
    with torch.no_grad():
        found, expected = zoomed(image), plain(enlarged)
    assert torch.equal(found.shared[0], expected.shared[0]) and found.shared[0].shape == (2, 16, 24, 36)
    assert found.final["semseg"].shape == (2, 5, 64, 96)
    with pytest.raises(ValueError, match="zoom"):
        build("deeplab-joint", {"semseg": 5}, zoom=0.0, **options)


def test_a_fine_skip_halves_the_stride_of_the_shared_features() -> None:
    options = {"encoder": "resnet18", "width": 32}
    image = torch.rand(2, 3, 62, 90)
    plain = build("deeplab-joint", {"semseg": 5, "depth": 1}, **options)
    fine = build("deeplab-joint", {"semseg": 5, "depth": 1}, fine_skip=True, **options)
    assert plain(image).shared[0].shape == (2, 32, 16, 23)
    assert fine(image).shared[0].shape == (2, 16, 31, 45)
    assert fine(image).final["semseg"].shape == (2, 5, 62, 90)
    # The skip from 64 to 24 channels, a 3×3 convolution to 16, their norms, and heads of half the width.
    added = 64 * 24 + 2 * 24 + (32 + 24) * 16 * 9 + 2 * 16 - 16 * 6
    assert count(fine) == count(plain) + added
