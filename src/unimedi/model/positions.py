"""One factorised position code for 2D and 3D: where in the plane, how deep, and what kind of token.

The in-plane table lives on the radiograph's grid and is interpolated to any other; the depth table starts at zero, so
2D weights load unchanged; a selected slice carries the true depth it was cut from (docs/paper.md, open point 3.8).
"""

import math
from enum import IntEnum

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SINCOS_SCALE = 0.5  # at 1.0 the code drowns the content of a freshly initialised tokenizer


class TokenKind(IntEnum):
    RADIOGRAPH = 0
    SLICE = 1
    VOLUME = 2


def sincos_plane(rows: int, columns: int, size: int) -> Float[Tensor, "positions size"]:
    """Fixed sines and cosines of the row in the first half of the channels, of the column in the second."""
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(size // 4) / (size // 4))

    def code(count: int) -> Tensor:
        angles = torch.arange(count)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    row = code(rows)[:, None].expand(-1, columns, -1)
    column = code(columns)[None].expand(rows, -1, -1)
    plane = torch.cat([row, column], dim=2).flatten(0, 1)
    return SINCOS_SCALE * F.pad(plane, (0, size - plane.shape[1]))


class Positions(nn.Module):
    """Position codes of shape ``(n or 1, patches, hidden)`` for each kind of token; zeros unless ``enabled``."""

    def __init__(self, plane_grid: tuple[int, int], slabs: int, hidden_size: int, enabled: bool) -> None:
        super().__init__()
        self.plane_grid, self.slabs, self.hidden_size, self.enabled = plane_grid, slabs, hidden_size, enabled
        if enabled:
            self.plane = nn.Parameter(torch.empty(plane_grid[0] * plane_grid[1], hidden_size))
            self.depth = nn.Parameter(torch.empty(slabs, hidden_size))
            self.kind = nn.Parameter(torch.empty(len(TokenKind), hidden_size))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        if self.enabled:
            self.plane.copy_(sincos_plane(*self.plane_grid, self.hidden_size))
            self.depth.zero_()
            self.kind.zero_()

    def radiograph(self, grid: tuple[int, int]) -> Float[Tensor, "1 patches hidden"]:
        if not self.enabled:
            return torch.zeros(1, grid[0] * grid[1], self.hidden_size)
        return self._plane(grid)[None] + self.kind[TokenKind.RADIOGRAPH]

    def volume(self, grid: tuple[int, int, int]) -> Float[Tensor, "1 patches hidden"]:
        if not self.enabled:
            return torch.zeros(1, grid[0] * grid[1] * grid[2], self.hidden_size)
        depth = self._depth((torch.arange(grid[0], device=self.depth.device) + 0.5) / grid[0])
        code = depth[:, None] + self._plane(grid[1:])[None]
        return code.flatten(0, 1)[None] + self.kind[TokenKind.VOLUME]

    def slices(self, grid: tuple[int, int], depth: Float[Tensor, "n k"]) -> Float[Tensor, "n patches hidden"]:
        """``depth`` is the relative height of each slice in the volume, 0 at the feet to 1 at the head."""
        if not self.enabled:
            return torch.zeros(1, depth.shape[1] * grid[0] * grid[1], self.hidden_size, device=depth.device)
        code = self._depth(depth)[:, :, None] + self._plane(grid)
        return code.flatten(1, 2) + self.kind[TokenKind.SLICE]

    def _plane(self, grid: tuple[int, int]) -> Tensor:
        if grid == self.plane_grid:
            return self.plane
        table = self.plane.T.reshape(1, self.hidden_size, *self.plane_grid)
        return F.interpolate(table, grid, mode="bicubic", align_corners=False)[0].flatten(1).T

    def _depth(self, relative: Tensor) -> Tensor:
        """The depth table read at any height by linear interpolation between the centres of the slabs."""
        place = (relative * self.slabs - 0.5).clamp(0, self.slabs - 1)
        below = place.floor().long()
        above = (below + 1).clamp(max=self.slabs - 1)
        share = (place - below).unsqueeze(-1)
        return self.depth[below] * (1 - share) + self.depth[above] * share
