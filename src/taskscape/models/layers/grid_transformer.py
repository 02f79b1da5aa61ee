"""A transformer over the cells of a grid, as in ViT (Dosovitskiy et al., ICLR 2021, https://arxiv.org/abs/2010.11929)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.attention import AttentionScale
from taskscape.models.layers.transformer_block import TransformerBlock

Position = Literal["none", "query", "input"]
"""Where a learned position per cell is added: nowhere, to every block's queries, or to the first block's input."""


class GridTransformer(nn.Module):
    """Resizes a map to a square grid and applies transformer blocks to its cells as tokens."""

    def __init__(
        self,
        inputs: int,
        grid: int = 16,
        width: int = 256,
        heads: int = 4,
        blocks: int = 3,
        expansion: int = 4,
        dropout: float = 0.0,
        temperature: float = 1.0,
        position: Position = "none",
        scale: AttentionScale = "head",
    ) -> None:
        super().__init__()
        self.position_in = position
        self.grid = grid
        self.width = width
        self.project = nn.Identity() if inputs == width else nn.Linear(inputs, width)
        self.position = nn.Parameter(torch.randn(1, grid * grid, width) * 0.02) if position != "none" else None
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, expansion, dropout, temperature, scale) for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the (B, grid², width) tokens of a (B, inputs, h, w) map, row by row."""
        cells = F.interpolate(x, size=(self.grid, self.grid), mode="bilinear", align_corners=False)
        tokens: Tensor = self.project(cells.flatten(2).transpose(1, 2))
        if self.position is not None and self.position_in == "input":
            tokens = tokens + self.position
        query_position = self.position if self.position_in == "query" else None
        for block in self.blocks:
            tokens = block(tokens, query_position)
        return tokens

    def fold(self, tokens: Tensor) -> Tensor:
        """Return the (B, width, grid, grid) map of (B, grid², width) tokens."""
        folded: Tensor = tokens.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return folded
