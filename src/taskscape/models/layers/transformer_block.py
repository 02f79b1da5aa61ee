"""Transformer blocks: attention and a multilayer perceptron (Vaswani et al., https://arxiv.org/abs/1706.03762)."""

from torch import Tensor, nn

from taskscape.models.layers.attention import Attention, AttentionScale


class TransformerBlock(nn.Module):
    """Computes x + attention(x), then x + mlp(x), each with its own preceding layer norm."""

    def __init__(
        self,
        width: int,
        heads: int,
        expansion: int = 4,
        dropout: float = 0.0,
        temperature: float = 1.0,
        scale: AttentionScale = "head",
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout, temperature, scale)
        self.mlp = _mlp(width, expansion)

    def forward(self, tokens: Tensor, position: Tensor | None = None) -> Tensor:
        """Return (B, N, width) for (B, N, width)."""
        normed = self.norm(tokens)
        # In mixed precision, keep the sum in the precision of the weights; otherwise every block would round it again.
        tokens = tokens.to(self.norm.weight.dtype) + self.attention(normed, normed, position)
        mixed: Tensor = tokens + self.mlp(tokens)
        return mixed


class CrossTransformerBlock(nn.Module):
    """Like ``TransformerBlock``, but the tokens attend to a context, which has its own layer norm."""

    def __init__(
        self,
        width: int,
        heads: int,
        expansion: int = 4,
        dropout: float = 0.0,
        temperature: float = 1.0,
        scale: AttentionScale = "head",
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout, temperature, scale)
        self.mlp = _mlp(width, expansion)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Return (B, Q, width) for (B, Q, width) tokens and a (B, N, width) context."""
        tokens = tokens + self.attention(self.norm(tokens), self.norm_context(context))
        mixed: Tensor = tokens + self.mlp(tokens)
        return mixed

    def weights(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Return the weight of each context token for each token, (B, Q, N), averaged over heads."""
        return self.attention.weights(self.norm(tokens), self.norm_context(context))


def _mlp(width: int, expansion: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, width * expansion), nn.GELU(), nn.Linear(width * expansion, width)
    )
