"""RMSNorm and its gradient against those of PyTorch."""

import pytest
import torch
from torch.nn import functional as F

from mt.layers.norm import RMSNorm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1e-4, 1.0, 1e3])
def test_rms_norm_and_its_gradients_are_those_of_pytorch(dtype, scale):
    torch.manual_seed(0)
    # Heads of queries, as attention has them: not contiguous.
    x = (scale * torch.randn(3, 5, 2, 8)).to(dtype).transpose(1, 2).requires_grad_()
    grad = torch.randn(3, 2, 5, 8).to(dtype)
    norm = RMSNorm(8)
    torch.nn.init.normal_(norm.weight)
    norm(x).backward(grad)

    exact = x.detach().double().requires_grad_()
    weight = norm.weight.detach().double().requires_grad_()
    expected = F.rms_norm(exact, (8,), weight, 1e-6)
    expected.backward(grad.double())

    tolerance = (
        {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.02}
    )
    torch.testing.assert_close(norm(x).double(), expected, **tolerance)
    size = 1 + exact.grad.abs().max()
    torch.testing.assert_close(x.grad.double() / size, exact.grad / size, **tolerance)
    torch.testing.assert_close(norm.weight.grad.double(), weight.grad, **tolerance)
    with torch.no_grad():
        torch.testing.assert_close(norm(x), norm(x.clone().requires_grad_()))


def test_the_gradient_is_the_same_if_the_backward_pass_runs_under_autocast():
    torch.manual_seed(0)
    norm, x = RMSNorm(8), torch.randn(4, 8)
    grads = []
    for enabled in (False, True):
        leaf = x.clone().requires_grad_()
        y = norm(leaf)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y.backward(x + 1)
        grads.append(leaf.grad)
    assert torch.equal(*grads)
