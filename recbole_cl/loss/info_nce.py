"""InfoNCE (NT-Xent) between two views of a batch.

Letters: B batch, D width of a representation. The 2B rows are view a's B rows, then view b's, and the positive of row i
is row (i + B) mod 2B.
"""

from __future__ import annotations

import torch
from torch import Tensor

SIMILARITIES = ("dot", "cosine")
_NO_LENGTH = 1e-8
_FAR_BELOW = 60.0  # e^-60 is 9e-27: a logit this far below the row's highest adds nothing to the sum, even in float64


def similarity_matrix(z_a: Tensor, z_b: Tensor, temperature: float = 1.0, similarity: str = "dot") -> Tensor:
    """Similarity of every row of both views to every other, divided by the temperature.

    Args:
        z_a: First view.
        z_b: Second view, row i of the same sequence as row i of `z_a`.
        temperature: Divisor, > 0; 1.0 with the dot product, 0.05 to 1.0 with the cosine.
        similarity: "dot" or "cosine".

    Shape:
        z_a, z_b: [B, D]; result: [2B, 2B], self-similarities on the diagonal.

    Returns:
        The matrix, in float32 or wider. The product is excluded from autocast, because at a temperature of 0.05
            bfloat16 logits have an error of about 0.1.

    Raises:
        ValueError: The temperature is not positive, the similarity is unknown or the shapes differ.

    Note:
        The cosine normalises and multiplies; DuoRec's code broadcasts to [2B, 2B, D] for the same numbers.
    """
    _check(z_a, z_b, temperature, similarity)
    z = torch.cat((z_a, z_b))  # [2B, D]
    with torch.autocast(z.device.type, enabled=False):
        z = unit_rows(z) if similarity == "cosine" else z.to(torch.promote_types(z.dtype, torch.float32))
        return (z @ z.t()).div_(temperature)  # [2B, 2B]


def unit_rows(z: Tensor) -> Tensor:
    """Divides representations by their length, in float32 or wider; one of length 0 stays 0 and gets no gradient.

    Encoders give zeros for a row whose items are all masked by padding, or, with a norm at the end, whose last one is.
    ``F.normalize`` would multiply their gradient by the inverse of its epsilon, and Adam then stops training the last
    bias for thousands of steps.

    Args:
        z: Representations.

    Shape:
        z and result: [B, D].

    Returns:
        The rows.
    """
    z = z.to(torch.promote_types(z.dtype, torch.float32))
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / length.masked_fill(length < _NO_LENGTH, torch.inf)


def info_nce(
    z_a: Tensor,
    z_b: Tensor,
    temperature: float = 1.0,
    similarity: str = "dot",
    negative_mask: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of identifying each row's other view within the batch, mean over the 2B rows.

    Reference:
        Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, Eq. 1;
        in this field Xie et al. (CL4SRec), ICDE 2022, and Qiu et al. (DuoRec), WSDM 2022, Eq. 14.

    Args:
        z_a: First view.
        z_b: Second view, row i of the same sequence as row i of `z_a`.
        temperature: Divisor of the similarities, > 0; 1.0 with the dot product, 0.05 to 1.0 with the cosine.
        similarity: "dot" or "cosine".
        negative_mask: True where row j is not used as a negative of row i (see `same_target_mask`); the positive is
            kept.

    Shape:
        z_a, z_b: [B, D], any B >= 1; negative_mask: [2B, 2B], bool; result: scalar.

    Returns:
        The mean loss; 0 with a zero gradient where a row has no negative, as with B = 1.

    Raises:
        ValueError: The temperature is not positive, the similarity is unknown or the shapes differ.

    Note:
        The mean over 2B rows is half of the papers' "sum of both directions, averaged over B", as in the authors' code.
    """
    logits = similarity_matrix(z_a, z_b, temperature, similarity)
    if negative_mask is None:
        logits.fill_diagonal_(-torch.inf)  # the matrix is ours, and its backward does not read it
    else:
        logits = logits.masked_fill(_excluded(negative_mask, logits), -torch.inf)
    positive = logits.gather(1, _partner(logits).unsqueeze(1))
    # Dot products of wide vectors can differ by hundreds. Without the floor their gradients are denormal numbers, and a
    # matrix product of those takes a hundred times as long, because processors compute it in microcode.
    floor = logits.detach().amax(1, keepdim=True) - _FAR_BELOW
    return (logits.clamp(min=floor).logsumexp(1, keepdim=True) - positive).mean()


def same_target_mask(target: Tensor) -> Tensor:
    """True where two rows have the same next item, so that neither should be a negative of the other.

    Reference:
        Qiu et al., "Contrastive Learning for Representation Degeneration Problem in Sequential Recommendation",
        WSDM 2022, section 4.3.3.

    Args:
        target: The item that follows each sequence.

    Shape:
        target: [B]; result: [2B, 2B], bool.

    Returns:
        The mask, for `negative_mask`; it is also True on the diagonal and for positives, which `info_nce` ignores.

    Note:
        The authors' code keeps such rows among the negatives.
    """
    both = torch.cat((target, target))  # [2B]
    return both.unsqueeze(1) == both.unsqueeze(0)


def _partner(logits: Tensor) -> Tensor:
    rows = logits.size(0)
    return torch.arange(rows, device=logits.device).roll(rows // 2)  # [2B]


def _excluded(negative_mask: Tensor, logits: Tensor) -> Tensor:
    if negative_mask.shape != logits.shape:
        raise ValueError(f"negative_mask has shape {tuple(negative_mask.shape)}; it must be {tuple(logits.shape)}")
    own = torch.eye(logits.size(0), dtype=torch.bool, device=logits.device)
    return (negative_mask | own) & ~own.roll(logits.size(0) // 2, dims=0)


def _check(z_a: Tensor, z_b: Tensor, temperature: float, similarity: str) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be greater than 0")
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity is {similarity!r}; it must be one of {', '.join(SIMILARITIES)}")
    if z_a.dim() != 2 or z_a.shape != z_b.shape or not z_a.size(0):
        shapes = f"{tuple(z_a.shape)} and {tuple(z_b.shape)}"
        raise ValueError(f"the views have shapes {shapes}; both must be [B, D] with B >= 1")
