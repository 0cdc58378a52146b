/**
 * Who comes before a node, answered at once: vector clocks over the sessions (Fidge; Mattern, "Virtual Time and Global States
 * of Distributed Systems", 1988). The transactions of a session are a chain in the graph, so it is enough to know the last
 * of each chain that reaches a node.
 */
import { commitOf } from "./edges.ts";
import type { View } from "./view.ts";

/** Numbers kept for all nodes together (4 bytes each). With more sessions only the longest have a place. */
const NUMBERS_MAX = 16_000_000;

export class Clocks {
  private readonly width: number;
  private readonly clocks: Int32Array;
  private readonly chainOf: Int32Array;
  /** From 1; 0: the transaction has no place in a chain. */
  private readonly placeOf: Int32Array;

  /** `order`: all nodes, each before those that its edges lead to. `chains`: each transaction's edges lead to the next. */
  constructor(view: View, order: Int32Array, chains: readonly (readonly number[])[]) {
    const width = Math.min(chains.length, Math.floor(NUMBERS_MAX / view.nodes));
    const longest = [...chains].sort((a, b) => b.length - a.length).slice(0, width);
    this.width = width;
    this.chainOf = new Int32Array(view.edges.transactions);
    this.placeOf = new Int32Array(view.edges.transactions);
    longest.forEach((chain, number) =>
      chain.forEach((transaction, i) => {
        this.chainOf[transaction] = number;
        this.placeOf[transaction] = i + 1;
      }),
    );
    this.clocks = new Int32Array(width * view.nodes);
    for (const node of order) this.pass(view, node);
  }

  /** The place, in this chain, of the last transaction whose commit reaches the node; 0 if there is none. */
  last(node: number, chain: number): number {
    return this.clocks[node * this.width + chain]!;
  }

  /** Whether the transaction's commit reaches the node, or is it. False if it has no place in a chain. */
  reaches(transaction: number, node: number): boolean {
    const place = this.placeOf[transaction]!;
    return place > 0 && this.last(node, this.chainOf[transaction]!) >= place;
  }

  /** Chain and place of a transaction, or undefined if it has none. */
  placeIn(transaction: number): { readonly chain: number; readonly place: number } | undefined {
    const place = this.placeOf[transaction]!;
    return place === 0 ? undefined : { chain: this.chainOf[transaction]!, place };
  }

  private pass(view: View, node: number): void {
    const { clocks, width } = this;
    const own = view.edges.transactionAt(node);
    const at = node * width;
    if (own !== undefined && node === commitOf(own) && this.placeOf[own]! > 0)
      clocks[at + this.chainOf[own]!] = this.placeOf[own]!;
    for (let position = view.start(node); position < view.end(node); position++) {
      const to = view.edges.to(view.edgeAt(position)) * width;
      for (let chain = 0; chain < width; chain++)
        if (clocks[at + chain]! > clocks[to + chain]!) clocks[to + chain] = clocks[at + chain]!;
    }
  }
}

/** The nodes in an order that all edges follow, or undefined if there is none. */
export function topologicalOrder(view: View): Int32Array | undefined {
  const waitsFor = new Int32Array(view.nodes);
  for (let node = 0; node < view.nodes; node++)
    for (let at = view.start(node); at < view.end(node); at++) waitsFor[view.edges.to(view.edgeAt(at))]!++;
  const order = new Int32Array(view.nodes);
  let length = 0;
  for (let node = 0; node < view.nodes; node++) if (waitsFor[node] === 0) order[length++] = node;
  for (let i = 0; i < length; i++) {
    const node = order[i]!;
    for (let at = view.start(node); at < view.end(node); at++) {
      const to = view.edges.to(view.edgeAt(at));
      if (--waitsFor[to]! === 0) order[length++] = to;
    }
  }
  return length === view.nodes ? order : undefined;
}
