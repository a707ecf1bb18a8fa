"""What a tiled group costs, exactly: time, energy, traffic and accesses (docs/model.md, section 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.cycles import port_cycles, rate_cycles
from tilewright.mapping.problem import Accesses
from tilewright.mapping.tiling import IntArray
from tilewright.schedule.group.book import Steps
from tilewright.schedule.group.members import members
from tilewright.schedule.group.prepared import Book, Prepared, Setting, Transfer, Way, setting
from tilewright.schedule.group.room import peak
from tilewright.schedule.offers import Offer, Residency
from tilewright.schedule.schedule import Group
from tilewright.schedule.tiled import GroupCost
from tilewright.workload.storage import PlacedNetwork


def group_cost(prepared: Prepared, places: Residency, held_bytes: int = 0) -> GroupCost:
    """The exact cost of a group; ``held_bytes`` are taken by bases on chip while it runs."""
    at = prepared.at
    arch, dram = at.arch, at.arch.dram
    loads, stores, flows = prepared.loads(places), prepared.stores(places), prepared.flows
    load = _cycles(at, loads, writing=False)
    flow = _cycles(at, flows, writing=False)
    store = _cycles(at, stores, writing=True)
    into, beside, out = (sum(t.total_bytes for t in transfers) for transfers in (loads, flows, stores))
    tiles, counts = prepared.tile_cycles(places), Counts(at, prepared.work(places))
    if arch.timing == "roofline":
        total = counts.roofline(into, beside, out)
    else:
        total = _pipelined(arch, tiles, load, flow, store)
    moved = (
        Accesses(dram.name, "transfers", into + beside, out),
        Accesses(arch.scratchpad.name, "transfers", out, into),
    )
    energy = counts.energy_pj + sum(_energy_pj(arch, record) for record in moved) + total * arch.leakage_pj_per_cycle
    traffic: Counter[tuple[str, str]] = Counter()
    for transfer in (*loads, *stores, *flows):
        traffic[transfer.tensor, transfer.cause] += transfer.total_bytes
    room = peak(prepared.room(places), len(at.group.all))
    computing = int(tiles.sum())
    overlapping = int(load[1:].sum() + flow.sum() + store[:-1].sum())
    return GroupCost(
        cycles=total,
        energy_pj=energy,
        macs=counts.points,
        steps=prod(at.shape),
        compute_cycles=computing,
        dma_cycles=int(load.sum() + flow.sum() + store.sum()),
        room_bytes=room,
        scratchpad_bytes=room + held_bytes,
        traffic=tuple((tensor, cause, size) for (tensor, cause), size in sorted(traffic.items()) if size),
        accesses=(*moved, *counts.records),
        loose_cycles=int(load[0]) + max(overlapping, computing) + int(store[-1]),
    )


def tiled_cost(placed: PlacedNetwork, arch: Accelerator, group: Group, held_bytes: int = 0) -> GroupCost:
    """The cost of a group that says how it runs, whatever cost it has."""
    return group_cost(*prepared_group(placed, arch, group), held_bytes)


def prepared_group(placed: PlacedNetwork, arch: Accelerator, group: Group) -> tuple[Prepared, Residency]:
    """A group that says how it runs, with the places of its maps."""
    tiled = group.tiled
    assert tiled is not None
    dims = tuple(loop.dim for loop in tiled.loops)
    found = members(placed, arch, [placed.network.operator[run.operator] for run in tiled.runs], dims)
    places = Residency(*(frozenset(b) for b in (group.resident_in, tiled.loaded, group.resident_out, tiled.stored)))
    arrays, weights = tuple(run.array for run in tiled.runs), tuple(run.weights for run in tiled.runs)
    way = Way(tiled.loops, tiled.channels, tiled.overlap, arrays, weights)
    book = Book(placed, arch, found, places.held | places.stored)
    return Prepared(setting(book, way)), places


def offer(prepared: Prepared, places: Residency) -> Offer:
    """What ``group_cost`` says that strategies need to know; energy counts bits exactly, without rounding to bytes."""
    at = prepared.at
    arch, dram, pad = at.arch, at.arch.dram, at.arch.scratchpad
    loads, stores, flows = prepared.loads(places), prepared.stores(places), prepared.flows
    load, flow = _cycles(at, loads, writing=False), _cycles(at, flows, writing=False)
    store, tiles = _cycles(at, stores, writing=True), prepared.tile_cycles(places)
    into, beside, out = (sum(t.total_bytes for t in transfers) for transfers in (loads, flows, stores))
    if arch.timing == "roofline":
        total = Counts(at, prepared.work(places)).roofline(into, beside, out)
    else:
        total = _pipelined(arch, tiles, load, flow, store)
    energy = prepared.on_chip_pj(places) + total * arch.leakage_pj_per_cycle
    energy += (into + beside) * dram.read_pj + out * dram.write_pj + into * pad.write_pj + out * pad.read_pj
    overlapping = int(load[1:].sum() + flow.sum() + store[:-1].sum())
    loose = int(load[0]) + max(overlapping, int(tiles.sum())) + int(store[-1])
    room = peak(prepared.room(places), len(at.group.all))
    return Offer(room, energy, total, into + beside + out, loose, prepared)


def _cycles(at: Setting, transfers: Sequence[Transfer], *, writing: bool) -> IntArray:
    """dma() of every step: all its transfers of one direction together."""
    size, runs = np.zeros(at.shape, dtype=np.int64), np.zeros(at.shape, dtype=np.int64)
    for transfer in transfers:
        transfer.add_to(size, runs)
    dram = at.arch.dram
    rate = dram.write_bandwidth if writing else dram.read_bandwidth
    found: IntArray = dram.setup_cycles * runs + rate_cycles(size, rate)
    return found.reshape(-1)


def _pipelined(arch: Accelerator, tiles: IntArray, load: IntArray, flow: IntArray, store: IntArray) -> int:
    if arch.buffering == "single":
        return int(load.sum() + np.maximum(tiles, flow).sum() + store.sum())
    beside = flow.copy()
    beside[1:] += store[:-1]
    beside[:-1] += load[1:]
    return int(load[0] + np.maximum(tiles, beside).sum() + store[-1])


def _energy_pj(arch: Accelerator, record: Accesses) -> float:
    memory = next(memory for memory in arch.memories if memory.name == record.memory)
    return record.read_bytes * memory.read_pj + record.write_bytes * memory.write_pj


class Counts:
    """Sums over all steps of all operators, transfers aside. ``energy_pj`` leaves out leakage."""

    def __init__(self, at: Setting, work: Sequence[Steps]) -> None:
        self._arch = at.arch
        self.points = self.operations = self.busy = self.delivered_bytes = 0
        bits: dict[tuple[str, str], list[int]] = {}
        self._ports: dict[str, list[int]] = {}
        for one, mine in zip(at.group.all, work, strict=True):
            delivered: Counter[str] = Counter()
            for cost, times in mine.times:
                self.points += times * cost.points
                self.operations += times * (cost.operations + one.problem.activations * cost.results)
                self.busy += times * cost.busy
                for (memory, operand), both in cost.bits:
                    entry = bits.setdefault((memory, f"{one.name}/{operand}"), [0, 0])
                    entry[0] += times * both[0]
                    entry[1] += times * both[1]
                for memory, both in cost.ports:
                    entry = self._ports.setdefault(memory, [0, 0])
                    entry[0] += times * both[0]
                    entry[1] += times * both[1]
                for operand, number in cost.delivered:
                    delivered[operand] += times * number
            self.delivered_bytes += sum(-(-number // 8) for number in delivered.values())
        self.records = tuple(
            Accesses(memory, operand, -(-read // 8), -(-written // 8))
            for (memory, operand), (read, written) in bits.items()
            if read or written
        )
        self.energy_pj = (
            sum(_energy_pj(at.arch, record) for record in self.records)
            + self.delivered_bytes * at.arch.array.link_pj
            + self.points * at.arch.array.mac_pj
            + self.operations * at.arch.vector.operation_pj
        )

    def roofline(self, loads: int, flows: int, stores: int) -> int:
        """Perfect overlap: the longest of computing and of all bytes through each memory."""
        arch = self._arch
        through = {name: (r, w) for name, (r, w) in self._ports.items()}
        read, written = through.get(arch.scratchpad.name, (0, 0))
        through[arch.scratchpad.name] = (read + stores, written + loads)
        through[arch.dram.name] = (loads + flows, stores)
        times = [
            int(port_cycles(memory, np.array([through[memory.name][0]]), np.array([through[memory.name][1]]))[0])
            for memory in arch.memories
            if memory.name in through
        ]
        return max(self.busy, *times)
