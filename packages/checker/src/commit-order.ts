/**
 * A position for each node such that every edge leads forwards, as close to the clock as the edges allow. Whether one node reaches
 * another is then a search of what lies between them only, and in a history that keeps its promises that is
 * little: what ran at the same time. Kahn's algorithm with a heap, over components (nodes on a cycle share a position).
 */
import type { Components } from "./components.ts";
import type { View } from "./view.ts";

/** `timeOf`: when the node may have happened, by the clock of the history. */
export function positionsOf(
  view: View,
  components: Components,
  timeOf: (node: number) => number,
): Int32Array {
  const { of, sizes } = components;
  const times = new Float64Array(sizes.length).fill(-Infinity);
  const waitsFor = new Int32Array(sizes.length);
  const firstMember = new Int32Array(sizes.length).fill(-1);
  const nextMember = new Int32Array(view.nodes).fill(-1);
  for (let node = 0; node < view.nodes; node++) {
    const own = of[node]!;
    times[own] = Math.max(times[own]!, timeOf(node));
    nextMember[node] = firstMember[own]!;
    firstMember[own] = node;
    for (let at = view.start(node); at < view.end(node); at++) {
      const target = of[view.edges.to(view.edgeAt(at))]!;
      if (target !== own) waitsFor[target]!++;
    }
  }
  const ready = new TimeHeap(times);
  for (let component = 0; component < sizes.length; component++)
    if (waitsFor[component] === 0) ready.push(component);
  const positions = new Int32Array(view.nodes);
  for (let position = 0; ready.size > 0; position++) {
    const component = ready.pop();
    for (let node = firstMember[component]!; node >= 0; node = nextMember[node]!) {
      positions[node] = position;
      for (let at = view.start(node); at < view.end(node); at++) {
        const target = of[view.edges.to(view.edgeAt(at))]!;
        if (target !== component && --waitsFor[target]! === 0) ready.push(target);
      }
    }
  }
  return positions;
}

/** A binary heap of numbers, the earliest time first. */
class TimeHeap {
  private readonly items: number[] = [];
  private readonly times: Float64Array;

  constructor(times: Float64Array) {
    this.times = times;
  }

  get size(): number {
    return this.items.length;
  }

  push(item: number): void {
    const { items, times } = this;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (times[items[parent]!]! <= times[item]!) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  /** There must be one. */
  pop(): number {
    const { items, times } = this;
    const top = items[0]!;
    const item = items.pop()!;
    if (items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && times[items[child + 1]!]! < times[items[child]!]!) child++;
      if (times[items[child]!]! >= times[item]!) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
    return top;
  }
}
