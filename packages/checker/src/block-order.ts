/**
 * The order of a register's blocks, where the rest of the graph decides it.
 *
 * Values of blind writes say nothing of their order, but the graph may. With A and B writers of the key in different blocks:
 *
 *     A before B in the graph                    A's block comes first: commits agree with the order of versions
 *     R read A's block, and B is visible to R    B's block comes first: a snapshot shows the newest of what it includes
 *
 * Clocks (clocks.ts) name the last writers of the key before each writer and each reader. What is found adds edges,
 * which may decide more: repeated until nothing new comes. Finding every contradiction would be NP-complete (Papadimitriou,
 * "The Serializability of Concurrent Database Updates", JACM 1979); this is the part that costs little, in the manner of Biswas
 * and Enea, "On the Complexity of Checking Transactional Consistency" (OOPSLA 2019), whose rule for causal consistency it is.
 */
import { Clocks, topologicalOrder } from "./clocks.ts";
import { commitOf, snapshotOf, type Edges } from "./edges.ts";
import { nowhere, type Exits } from "./exits.ts";
import type { UnorderedKey } from "./register-order.ts";
import type { Versions } from "./versions.ts";
import { View } from "./view.ts";

const ROUNDS_MAX = 12;
/** In a large graph a round that finds less than one pair for so many nodes is the last. */
const NODES_PER_PAIR = 1_000;

interface Task {
  readonly key: UnorderedKey;
  readonly writers: readonly BlockWriter[];
  /** Pairs known already, as `earlier * blocks + later`. */
  readonly known: Set<number>;
  /** By block: the helper node that readers of its last version lead to. */
  readonly helpers: Map<number, number>;
}

interface BlockWriter {
  readonly transaction: number;
  readonly block: number;
}

/** Clocks over commits, and over visibility only. */
interface BothClocks {
  readonly byCommit: Clocks;
  readonly byVisibility: Clocks;
}

/** Adds what can be told of the order of blocks to `edges`. `chains`: sessions, as far as each leads to the next. */
export function orderBlocks(
  keys: readonly UnorderedKey[],
  edges: Edges,
  exits: Exits,
  known: { readonly versions: Versions; readonly chains: readonly (readonly number[])[] },
): void {
  const { versions, chains } = known;
  const tasks = keys.map((key): Task => {
    const writers = [...key.blockOf].map(([version, block]) => ({
      transaction: versions.writerOf(version),
      block,
    }));
    return { key, writers, known: new Set(), helpers: new Map() };
  });
  for (let round = 0; round < ROUNDS_MAX && tasks.length > 0; round++) {
    const clocks = makeClocks(edges, exits, chains);
    // A cycle: the history is broken already, and nothing more can be told from orders.
    if (clocks === undefined) return;
    let found = 0;
    for (const task of tasks) {
      const pairs = new KeyOrder(task, clocks, versions).newPairs(exits);
      found += pairs.length;
      addPairs(task, pairs, edges, versions);
    }
    if (found === 0 || found * NODES_PER_PAIR < edges.nodes - 10_000) return;
  }
}

function makeClocks(
  edges: Edges,
  exits: Exits,
  chains: readonly (readonly number[])[],
): BothClocks | undefined {
  const commits = new View(edges, exits);
  const order = topologicalOrder(commits);
  if (order === undefined) return undefined;
  const byCommit = new Clocks(commits, order, chains);
  const exitsUsed = new Set(Array.from({ length: edges.transactions }, (_, reader) => exits(reader)));
  // Nobody who needs the other clocks, or no difference between them.
  if (!exitsUsed.has("nowhere") || exitsUsed.size === 1) return { byCommit, byVisibility: byCommit };
  // What is visible before a node is before it in the order of commits, too: the same order serves both.
  return { byCommit, byVisibility: new Clocks(new View(edges, nowhere), order, chains) };
}

/** The order of one key's blocks, as the clocks of one round tell it. */
class KeyOrder {
  private readonly task: Task;
  private readonly clocks: BothClocks;
  private readonly versions: Versions;
  /** By chain: the key's writers in it, in their order. */
  private readonly inChains = new Map<number, { readonly place: number; readonly block: number }[]>();
  private readonly pairs: number[] = [];

  constructor(task: Task, clocks: BothClocks, versions: Versions) {
    this.task = task;
    this.clocks = clocks;
    this.versions = versions;
    for (const { transaction, block } of task.writers) {
      const at = clocks.byCommit.placeIn(transaction);
      if (at === undefined) continue;
      const chain = this.inChains.get(at.chain);
      if (chain === undefined) this.inChains.set(at.chain, [{ place: at.place, block }]);
      else chain.push({ place: at.place, block });
    }
    for (const chain of this.inChains.values()) chain.sort((a, b) => a.place - b.place);
  }

  newPairs(exits: Exits): number[] {
    const { key } = this.task;
    const { byCommit, byVisibility } = this.clocks;
    key.blocks.forEach(({ last }, block) =>
      this.addBefore(commitOf(this.versions.writerOf(last)), block, byCommit),
    );
    for (const { reader, version } of key.readers) {
      const exit = exits(reader);
      const node = exit === "commit" ? commitOf(reader) : snapshotOf(reader);
      // Who agrees with nobody on an order of commits sees what is visible along edges, no more.
      this.addBefore(node, key.blockOf.get(version)!, exit === "nowhere" ? byVisibility : byCommit);
    }
    return this.pairs;
  }

  /** The latest writers that reach `node` belong to blocks before `block`; those that are before one another are implied. */
  private addBefore(node: number, block: number, clocks: Clocks): void {
    const { key, known } = this.task;
    const earlier: number[] = [];
    for (const [chain, writers] of this.inChains) {
      const limit = clocks.last(node, chain);
      if (limit < writers[0]!.place) continue;
      const found = lastUpTo(writers, limit, block);
      if (found !== undefined && !earlier.includes(found)) earlier.push(found);
    }
    for (const candidate of earlier) {
      const pair = candidate * key.blocks.length + block;
      if (known.has(pair) || this.isImplied(candidate, earlier)) continue;
      // A contradiction, which the edges that say the opposite will show, and in plainer words.
      if (known.has(block * key.blocks.length + candidate) || this.isBefore(block, candidate)) continue;
      known.add(pair);
      this.pairs.push(pair);
    }
  }

  private isImplied(candidate: number, others: readonly number[]): boolean {
    return others.some((other) => other !== candidate && this.isBefore(candidate, other));
  }

  /** The graph has a way from the end of one block to the beginning of the other. */
  private isBefore(earlier: number, later: number): boolean {
    const { blocks } = this.task.key;
    const writer = this.versions.writerOf(blocks[earlier]!.last);
    return this.clocks.byCommit.reaches(writer, commitOf(this.versions.writerOf(blocks[later]!.head)));
  }
}

/** The block of the last writer at or before `limit` that is not of block `own`. */
function lastUpTo(
  writers: readonly { readonly place: number; readonly block: number }[],
  limit: number,
  own: number,
): number | undefined {
  let low = 0;
  let high = writers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (writers[middle]!.place <= limit) low = middle + 1;
    else high = middle;
  }
  while (low > 0 && writers[low - 1]!.block === own) low--;
  return writers[low - 1]?.block;
}

function addPairs({ key, helpers }: Task, pairs: readonly number[], edges: Edges, versions: Versions): void {
  const { blocks, readers } = key;
  for (const pair of pairs) {
    const earlier = Math.floor(pair / blocks.length);
    const { last } = blocks[earlier]!;
    const { head, blind } = blocks[pair % blocks.length]!;
    const writer = versions.writerOf(head);
    edges.overwritten(writer, versions.writerOf(last), { older: last, newer: head, blind });
    let helper = helpers.get(earlier);
    if (helper === undefined) {
      helpers.set(earlier, (helper = edges.helper()));
      for (const { reader, version } of readers)
        if (version === last) edges.antiDependencies(reader, helper, last);
    }
    edges.stepToWriter(helper, writer, head);
  }
}
