"""What is a weight-normed weight, and its derivative? The one formula of every layer with weight norm (reference 1.1, 5)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def norms(v: Tensor, unit_dim: int, eps: float) -> Tensor:
    """n = sqrt(eps + |V|^2), the norm over all dimensions but `unit_dim`, which are kept with size 1."""
    norm = torch.linalg.vector_norm(v, dim=[d for d in range(v.dim()) if d != unit_dim], keepdim=True)
    return torch.sqrt(eps + norm.square()) if eps else norm


class NormedWeight(torch.autograd.Function):
    """W = g V / sqrt(eps + |V|^2), the norm over all dimensions but `unit_dim`; g [units].

    With n that root (`norms`), s = g / n and c = sum(dL/dW V): dL/dg = c / n, dL/dV = s (dL/dW - c V / n^2). Autograd's own
    derivative of the formula goes over tensors of V's size about twice as often.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor, g: Tensor, unit_dim: int, eps: float) -> tuple[Tensor, Tensor]:
        """-> W, of V's shape, and n."""
        norm = norms(v, unit_dim, eps)
        return v * (g.view_as(norm) / norm), norm

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep V, g and n."""
        v, g, ctx.unit_dim, _ = inputs
        ctx.save_for_backward(v, g, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        """dL/dV, and dL/dg where it is asked for."""
        v, g, norm = ctx.saved_tensors
        c = (grad * v).sum([d for d in range(v.dim()) if d != ctx.unit_dim], keepdim=True)
        scale = g.view_as(norm) / norm
        dv = torch.addcmul(grad * scale, v, c * scale / norm.square(), value=-1)
        return dv, (c / norm).view_as(g) if ctx.needs_input_grad[1] else None, None, None


class NormedLinear(torch.autograd.Function):
    """y = s (x V^T) + b with n = sqrt(eps + |V|^2), a row of V each, and s = g / n: x W^T + b, but W is never made.

    With e = dL/dy, c = sum_batch(e x V^T) is that of `NormedWeight`: dL/dg = c / n, dL/dV = (s e)^T x - (c s / n^2) V.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, v: Tensor, g: Tensor, b: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, inputs], V [units, inputs], g, b [units] -> y, x V^T [B, units], in the type of autocast, and n [units]."""
        norm = norms(v, 0, eps).squeeze(1)
        plain = F.linear(x, v)
        return plain * (g / norm).to(plain.dtype) + b.to(plain.dtype), plain, norm

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep x, V, g, x V^T and n."""
        x, v, g, b, _ = inputs
        _, plain, norm = output
        ctx.save_for_backward(x, v, g, plain, norm)
        ctx.bias_dtype = b.dtype
        ctx.mark_non_differentiable(plain, norm)

    @staticmethod
    def backward(ctx, grad: Tensor, *_) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None, None]:
        """What is asked for of dL/dx, dL/dV, dL/dg and dL/db."""
        x, v, g, plain, norm = ctx.saved_tensors
        scale, dx, dv, dg = g / norm, None, None, None
        scaled = grad * scale.to(grad.dtype)
        if ctx.needs_input_grad[0]:
            dx = (scaled @ v.to(grad.dtype)).to(x.dtype)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            c = (grad.to(v.dtype) * plain).sum(0)
            dg = c / norm
            dv = (scaled.mT @ x.to(grad.dtype)).to(v.dtype).addcmul(v, (c * scale / norm.square()).unsqueeze(1), value=-1)
        db = grad.sum(0, dtype=ctx.bias_dtype) if ctx.needs_input_grad[3] else None
        return dx, dv, dg if ctx.needs_input_grad[2] else None, db, None
