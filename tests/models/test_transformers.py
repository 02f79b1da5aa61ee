"""Adaptive bins, the transformer and cross-attention: published parameter counts, and their formulas."""

import pytest
import torch
from on_paper import TWO, count, on_paper

from taskscape.batch import Target
from taskscape.losses import SILog
from taskscape.models import build
from taskscape.models.layers.attention import Attention
from taskscape.models.layers.grid_transformer import GridTransformer
from taskscape.models.layers.skip_decoder import SkipDecoder
from taskscape.models.layers.transformer_block import CrossTransformerBlock, TransformerBlock
from taskscape.tasks import Depth

BINS = ["adaptive-depth", "transformer", "cross-attention"]


def test_published_parameters_of_adaptive_depth():
    network = on_paper("adaptive-depth", {"depth": 1})
    depth = network.branches["depth"]
    assert count(network.encoder) == 11_176_512
    assert count(depth.decoder) + count(depth.head) == 2_579_008
    assert count(depth.transformer.blocks) == 2_369_280
    assert count(depth.query) == 590_080
    assert count(depth.to_bin) == 257
    assert count(depth.transformer.project) == 131_328  # not in the published total
    assert count(network) == 16_715_137 + 131_328
    assert count(on_paper("adaptive-depth", {"depth": 1}, tokens="decoder")) == 16_715_137


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("adaptive-depth", {}, 16_846_465 + 4_131_584 + 1_299_779),
        ("adaptive-depth", {"tokens": "aspp"}, 16_715_137 + 4_131_584 + 4_131_584 + 1_299_779),
        ("adaptive-depth", {"position": "query"}, 16_846_465 + 4_131_584 + 1_299_779 + 256 * 256),
        ("adaptive-depth", {"blocks": 6, "heads": 8}, 16_846_465 + 4_131_584 + 1_299_779 + 3 * 789_760),
        ("transformer", {}, 28_647_364),
        ("cross-attention", {}, 24_648_625),
    ],
)
def test_parameters_that_follow(name, options, parameters):
    assert count(on_paper(name, **options)) == parameters


def test_published_parameters_of_a_block():
    assert count(TransformerBlock(256, 4)) == 789_760
    assert count(CrossTransformerBlock(256, 4)) == 789_760 + 2 * 256


def test_512_wide_tokens_are_projected_for_the_similarity_alone():
    depth = on_paper("adaptive-depth", {"depth": 1}, width=512).branches["depth"]
    assert count(depth.transformer.project) == 0
    assert (count(depth.to_bin), count(depth.to_key)) == (513, 512 * 256 + 256)


def test_attention_by_hand():
    torch.manual_seed(0)
    attention = Attention(8, heads=2, temperature=3.0).double()
    queries, context, position = (torch.randn(n, k, 8).double() for n, k in ((2, 5), (2, 7), (1, 5)))
    query, key, value = attention.query(queries) + position, attention.key(context), attention.value(context)
    mixed = []
    for head in (slice(0, 4), slice(4, 8)):
        similarity = query[..., head] @ key[..., head].mT / (3.0 * 4**0.5)
        mixed.append(similarity.softmax(-1) @ value[..., head])
    torch.testing.assert_close(attention(queries, context, position), attention.project(torch.cat(mixed, -1)))


def test_blocks_by_hand():
    torch.manual_seed(0)
    tokens, context = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    block = TransformerBlock(8, heads=2)
    normed = block.norm(tokens)
    middle = tokens + block.attention(normed, normed)
    torch.testing.assert_close(block(tokens), middle + block.mlp(middle))
    cross = CrossTransformerBlock(8, heads=2)
    middle = tokens + cross.attention(cross.norm(tokens), cross.norm_context(context))
    torch.testing.assert_close(cross(tokens, context), middle + cross.mlp(middle))


def test_attention_dropout_is_for_training():
    attention, x = Attention(8, heads=2, dropout=0.5), torch.randn(1, 6, 8)
    assert not torch.equal(attention(x, x), attention(x, x))
    attention.eval()
    assert torch.equal(attention(x, x), attention(x, x))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads that divide it"):
        Attention(256, heads=3)


def test_tokens_are_cells_row_by_row():
    grid = GridTransformer(8, grid=4, width=8, heads=2, blocks=0)
    x = torch.randn(2, 8, 4, 4)
    tokens = grid(x)
    assert torch.equal(tokens[:, 5], x[:, :, 1, 1])
    assert torch.equal(grid.fold(tokens), x)


def depth_network(**options):
    torch.manual_seed(0)
    return build("adaptive-depth", {"depth": 1}, **options).double().eval()


@pytest.mark.parametrize(
    "options", [{}, {"tokens": "decoder"}, {"tokens": "aspp"}, {"width": 512}, {"position": "query"}]
)
def test_depth_is_the_expectation_over_the_bins(options):
    network = depth_network(**options)
    image = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    pyramid = network.encoder(image)
    skip, bottleneck = pyramid[network.skip_level], pyramid[-1]
    branch = network.branches["depth"]
    features = branch.head(branch.decoder(bottleneck, skip))
    source = {"encoder": bottleneck, "decoder": features, "aspp": branch.aspp(bottleneck)}[branch.tokens]
    tokens = branch.transformer(source)
    similarity = torch.einsum("bchw,bnc->bnhw", branch.query(features), branch.to_key(tokens))
    bins = network.bins(image)["depth"]
    assert bins.shape == (2, 256)
    expected = (similarity.softmax(1) * bins[:, :, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(branch(skip, bottleneck), expected)
    final = network(image).final["depth"].flatten(1)
    assert (final.amin(1) >= bins.amin(1)).all()
    assert (final.amax(1) <= bins.amax(1)).all()


@pytest.mark.parametrize("name", BINS)
def test_a_fresh_network_learns_from_a_loss_in_meters(name):
    network = build(name, {"depth": 1})
    task = Depth(representation="meters", mean=0.0, std=1.0, loss=SILog())
    target = Target(torch.rand(2, 1, 64, 64) * 50 + 1, torch.ones(2, 64, 64, dtype=torch.bool))
    task.loss.mean(task.compute_loss(network(torch.rand(2, 3, 64, 64)).final["depth"], target)).backward()
    assert network.branches["depth"].to_bin.weight.grad.abs().max() > 0


@pytest.mark.parametrize("name", BINS)
def test_tasks_of_one_channel_have_bins_unless_others_are_listed(name):
    image = torch.rand(1, 3, 64, 64)
    network = build(name, {"near": 1, "semseg": 3, "far": 1}, encoder="resnet10t", blocks=1).eval()
    assert {task: bins.shape for task, bins in network.bins(image).items()} == {"near": (1, 256), "far": (1, 256)}
    network = build(name, {"near": 1, "far": 1}, encoder="resnet10t", blocks=1, bin_tasks=("far",)).eval()
    assert list(network.bins(image)) == ["far"]
    assert build(name, {"semseg": 3}, encoder="resnet10t", blocks=1).eval().bins(image) == {}
    with pytest.raises(ValueError, match="'semseg' has 3 channels: list tasks with one channel"):
        on_paper(name, {"semseg": 3}, bin_tasks=("semseg",))
    with pytest.raises(ValueError, match=r"network\.bin_tasks: there is no task 'fra'; did you mean far"):
        on_paper(name, {"far": 1}, bin_tasks=("fra",))


def test_a_class_scores_token_times_pixel():
    torch.manual_seed(0)
    network = build("cross-attention", {"semseg": 3}, blocks=0).eval()
    branch = network.branches["semseg"]
    pyramid = network.encoder(torch.rand(1, 3, 64, 64))
    skip, bottleneck = pyramid[network.skip_level], pyramid[-1]
    features = branch.decoder(branch.aspp(bottleneck), skip)
    expected = torch.einsum("kc,bchw->bkhw", branch.tokens[0], features)
    torch.testing.assert_close(branch(skip, bottleneck), expected)


@pytest.mark.parametrize("name", BINS)
def test_tokens_of_512(name):
    network = build(name, TWO, width=512, heads=8, blocks=1, position="query", dropout=0.1).eval()
    assert network(torch.rand(1, 3, 64, 64)).final["semseg"].shape == (1, 19, 64, 64)


def test_attention_scaled_by_the_root_of_all_channels():
    torch.manual_seed(0)
    head, width = Attention(8, heads=2).double(), Attention(8, heads=2, scale="width").double()
    width.load_state_dict(head.state_dict())
    tokens = torch.randn(2, 5, 8).double()
    query, key, value = head.query(tokens), head.key(tokens), head.value(tokens)
    parts = [slice(0, 4), slice(4, 8)]
    for attention, channels in ((head, 4), (width, 8)):
        mixed = [(query[..., p] @ key[..., p].mT / channels**0.5).softmax(-1) @ value[..., p] for p in parts]
        torch.testing.assert_close(attention(tokens, tokens), attention.project(torch.cat(mixed, -1)))


def test_positions_are_added_to_the_input_or_to_the_queries():
    torch.manual_seed(0)
    options = {"inputs": 8, "grid": 2, "width": 8, "heads": 2, "blocks": 2}
    transformers = {p: GridTransformer(**options, position=p).double() for p in ("none", "query", "input")}
    for transformer in transformers.values():
        transformer.load_state_dict(transformers["query"].state_dict(), strict=False)
    x = torch.randn(1, 8, 2, 2).double()
    tokens, position = x.flatten(2).mT, transformers["query"].position
    expected = {"none": tokens, "query": tokens, "input": tokens + position}
    for name, transformer in transformers.items():
        for block in transformer.blocks:
            expected[name] = block(expected[name], position if name == "query" else None)
        torch.testing.assert_close(transformer(x), expected[name])


@pytest.mark.parametrize("name", ["adaptive-depth", "transformer", "cross-attention"])
def test_skip_and_depth_of_the_decoders(name):
    plain, other = (build(name, TWO, **o) for o in ({}, {"skip_width": 32, "decoder_convolutions": 1}))
    decoders = lambda network: [m for m in network.modules() if isinstance(m, SkipDecoder)]  # noqa: E731
    assert [(d.reduce_skip.out_channels, len(d.fuse)) for d in decoders(plain)] == [(48, 2), (64, 3)]
    assert [(d.reduce_skip.out_channels, len(d.fuse)) for d in decoders(other)] == [(32, 1), (32, 1)]


def test_the_weights_of_attention_are_those_it_averages_values_with():
    torch.manual_seed(0)
    attention = Attention(8, heads=1, temperature=0.3)
    queries, context = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    weights = attention.weights(queries, context)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3))
    torch.testing.assert_close(attention.project(weights @ attention.value(context)), attention(queries, context))


def test_every_class_token_has_an_attention_map():
    torch.manual_seed(0)
    network = build("cross-attention", {"semseg": 7, "depth": 1}, encoder="resnet10t", blocks=2).eval()
    with torch.no_grad():
        maps = network.attention_maps(torch.rand(2, 3, 64, 96))
    assert {task: tuple(found.shape) for task, found in maps.items()} == {"semseg": (2, 7, 16, 24)}
    torch.testing.assert_close(maps["semseg"].sum((2, 3)), torch.ones(2, 7))
    assert (
        build("cross-attention", {"semseg": 7}, encoder="resnet10t", blocks=0).attention_maps(torch.rand(2, 3, 64, 64))
        == {}
    )
    assert build("deeplab-joint", {"semseg": 7}, encoder="resnet10t").attention_maps(torch.rand(2, 3, 64, 64)) == {}
