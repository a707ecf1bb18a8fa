"""Rewrites of a network that leave its results alone and make it cheaper to run.

Each pass is a function from a network to a network in a file of its own. They run in the order of ``STAGES``, each
stage until nothing changes, and what every pass returns is checked for its structure.
"""

from __future__ import annotations

from collections.abc import Callable

from tilewright.workload.network import Network
from tilewright.workload.rewrite.absorb import absorb_activations
from tilewright.workload.rewrite.batchnorm import fold_batch_normalisation
from tilewright.workload.rewrite.constants import fold_channel_constants
from tilewright.workload.rewrite.identities import drop_identities
from tilewright.workload.rewrite.instancenorm import fold_scale_after_instance_norm, note_scale_before_instance_norm
from tilewright.workload.rewrite.patterns import fuse_activations
from tilewright.workload.rewrite.verify import structural_faults

Pass = Callable[[Network], Network]

STAGES: tuple[tuple[Pass, ...], ...] = (
    # Activations are recognised while their steps still stand apart; folding comes before anything is absorbed,
    # because a producer with an epilogue takes no more factors.
    (
        drop_identities,
        fuse_activations,
        fold_batch_normalisation,
        fold_channel_constants,
        fold_scale_after_instance_norm,
    ),
    (note_scale_before_instance_norm, absorb_activations),
)


def rewrite(network: Network) -> Network:
    """The network after all passes; computes the same outputs (docs/model.md, section 5, on epilogues)."""
    for stage in STAGES:
        before = None
        while network != before:
            before = network
            for run in stage:
                network = checked(run, network)
    return network


def checked(run: Pass, network: Network) -> Network:
    """The result of one pass; RuntimeError if it is no longer a well-formed graph, which is a defect of the pass."""
    result = run(network)
    faults = structural_faults(result)
    if faults:
        raise RuntimeError(f"rewrite {run.__name__} broke network {network.name}: {'; '.join(faults)}")
    return result


__all__ = ["STAGES", "checked", "rewrite"]
