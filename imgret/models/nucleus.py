"""Choose tokens by nucleus sampling with fixed noise: different sentences, the same ones in every run and batch.

A beam search returns sentences that differ in a word or two. Sampling from the most probable tokens, which together have
most of the probability (the nucleus; Holtzman et al., 2020), gives sentences about different things in the image. Li et al.
(BLIP, 2022) found such captions noisier but more useful than those of a beam search.

Sampling a token is the same as taking the greatest of log p + g with independent Gumbel noise g (the Gumbel-max trick). Here g
depends on nothing but the number of the sample, the step and the token. So a caption does not depend on the
images described with it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessor

_MOST_PROBABLE = 50  # tokens that can be chosen
_NUCLEUS = 0.9  # the probability that the chosen ones of them have together


def choose(logits: Tensor, samples: int, step: int) -> Tensor:
    """Return the token of each sample, (..., samples), for the logits of the next token (..., samples, V).

    `step` counts the new tokens, from 0. Equal logits give different tokens for different samples.
    """
    noise = torch.stack([_gumbel(logits.shape[-1], sample, step) for sample in range(samples)])
    return _chosen(logits, noise)


class NucleusChoice(LogitsProcessor):  # type: ignore[misc]
    """Chooses the tokens in transformers' `generate`: each row of scores that it gets has one possible token.

    The rows are those of the samples of the first image, then those of the next. Valid for one call of `generate`.
    """

    def __init__(self, samples: range) -> None:
        self._samples = samples
        self._step = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 - transformers calls it
        """Return scores (rows, V) in which only the chosen token of each row is possible."""
        noise = torch.stack([_gumbel(scores.shape[-1], sample, self._step) for sample in self._samples])
        chosen = _chosen(scores.view(-1, *noise.shape), noise).flatten()
        self._step += 1
        return torch.full_like(scores, -torch.inf).scatter(-1, chosen[:, None], 0.0)


def _chosen(logits: Tensor, noise: Tensor) -> Tensor:
    """Return one token (...) for the logits (..., V). The shape of `noise` is the last dimensions of theirs."""
    best, tokens = logits.float().topk(min(_MOST_PROBABLE, logits.shape[-1]))
    log = best.log_softmax(dim=-1)
    before = log.exp().cumsum(dim=-1) - log.exp()  # the probability of the more probable ones
    log = log.masked_fill(before >= _NUCLEUS, -torch.inf)
    noise = noise.to(logits.device).expand(logits.shape).gather(-1, tokens)
    return tokens.gather(-1, (log + noise).argmax(dim=-1, keepdim=True))[..., 0]


def _gumbel(tokens: int, sample: int, step: int) -> Tensor:
    """Return the noise of each token, (tokens,); computed on the CPU, so that it is the same on every device."""
    generator = torch.Generator().manual_seed(sample * 1_000_003 + step)
    exponential = -torch.log(torch.rand(tokens, generator=generator).clamp(min=1e-9))
    return -torch.log(exponential.clamp(min=1e-9))
