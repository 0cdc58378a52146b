/**
 * The order of a register's blocks, where the rest of the graph decides it.
 *
 * Values of blind writes say nothing of their order, but the graph may. With A and B writers of the key in different blocks:
 *
 *     A before B in the graph                 A's block comes first: commits agree with the order of versions
 *     R read A's block, and B is visible to R B's block comes first: a snapshot shows the newest of what it includes
 *
 * Both are read off by searching backwards from each writer and each reader to the nearest writers of the key. What
 * is found adds edges, which may decide more: repeated until nothing new comes. Searches are bounded, which
 * misses orders far back in time but invents none. Finding every contradiction would be NP-complete (Papadimitriou, "The
 * Serializability of Concurrent Database Updates", JACM 1979); this is the part that costs little, as in Biswas and Enea, "On the
 * Complexity of Checking Transactional Consistency" (OOPSLA 2019), whose rule for causal consistency it is.
 */
import { commitOf, snapshotOf, type Edges } from "./edges.ts";
import { nowhere, type Exits } from "./exits.ts";
import type { UnorderedKey } from "./register-order.ts";
import { type Incoming, View } from "./view.ts";
import type { Versions } from "./versions.ts";

/** Nodes visited in one round, all searches together. */
const ROUND_VISITS = 20_000_000;
/** Nodes visited by one search, at least and at most. */
const SEARCH_VISITS_MIN = 64;
const SEARCH_VISITS_MAX = 4_096;
const ROUNDS_MAX = 12;

/** Where a search starts, and what its findings come before. */
interface Start {
  readonly node: number;
  readonly block: number;
  /** The reader sees what reaches it along visibility only: its place in the order of commits is not its own. */
  readonly visibleOnly: boolean;
}

interface Task {
  readonly key: UnorderedKey;
  readonly starts: readonly Start[];
  /** Pairs known already, as `earlier * blocks + later`. */
  readonly known: Set<number>;
  /** By block: the helper node that readers of its last version lead to. */
  readonly helpers: Map<number, number>;
}

/** Adds what can be told of the order of blocks to `edges`. */
export function orderBlocks(
  keys: readonly UnorderedKey[],
  edges: Edges,
  exits: Exits,
  versions: Versions,
): void {
  const tasks = keys.map((key): Task => {
    const starts = startsOf(key, exits, versions);
    return { key, starts, known: new Set(), helpers: new Map() };
  });
  for (let round = 0; round < ROUNDS_MAX && tasks.length > 0; round++) {
    const searches = tasks.reduce((sum, { starts }) => sum + starts.length, 0);
    const visits = Math.floor(ROUND_VISITS / Math.max(1, searches));
    const finder = new EarlierWriters(edges, exits, versions, {
      visitsMax: Math.min(SEARCH_VISITS_MAX, Math.max(SEARCH_VISITS_MIN, visits)),
    });
    const before = edges.count;
    // All of a round on one state of the graph: edges added meanwhile are the next round's.
    const found = tasks.map((task) => finder.find(task));
    tasks.forEach((task, i) => addOrder(task, found[i]!, edges, versions));
    if (edges.count === before) return;
  }
}

function startsOf({ blockOf, readers }: UnorderedKey, exits: Exits, versions: Versions): Start[] {
  const starts: Start[] = [];
  for (const [version, block] of blockOf)
    starts.push({ node: commitOf(versions.writerOf(version)), block, visibleOnly: false });
  for (const { reader, version } of readers) {
    const exit = exits(reader);
    const node = exit === "commit" ? commitOf(reader) : snapshotOf(reader);
    starts.push({ node, block: blockOf.get(version)!, visibleOnly: exit === "nowhere" });
  }
  return starts;
}

function addOrder({ key, helpers }: Task, found: readonly number[], edges: Edges, versions: Versions): void {
  const { blocks, readers } = key;
  for (const pair of found) {
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

/** Searches backwards for writers of a key. */
class EarlierWriters {
  private readonly byCommit: Incoming;
  private readonly byVisibility: Incoming;
  private readonly versions: Versions;
  private readonly visitsMax: number;
  private readonly metAt: Int32Array;
  private search = 0;

  constructor(edges: Edges, exits: Exits, versions: Versions, { visitsMax }: { visitsMax: number }) {
    const promised = new View(edges, exits);
    this.byCommit = promised.incoming();
    this.byVisibility = new View(edges, nowhere).incoming();
    this.metAt = new Int32Array(promised.nodes);
    this.versions = versions;
    this.visitsMax = visitsMax;
  }

  /** Pairs of blocks not known before. */
  find({ key, starts, known }: Task): number[] {
    const blockAt = new Map<number, number>();
    for (const [version, block] of key.blockOf) blockAt.set(commitOf(this.versions.writerOf(version)), block);
    const found: number[] = [];
    for (const { node, block, visibleOnly } of starts) {
      const incoming = visibleOnly ? this.byVisibility : this.byCommit;
      this.walk(incoming, node, blockAt, (earlier) => {
        const pair = earlier * key.blocks.length + block;
        if (earlier === block || known.has(pair)) return;
        known.add(pair);
        found.push(pair);
      });
    }
    return found;
  }

  /** Breadth first, nearest first; does not go beyond a writer of the key, whose own search does. */
  private walk(
    incoming: Incoming,
    start: number,
    blockAt: ReadonlyMap<number, number>,
    meet: (block: number) => void,
  ): void {
    this.search++;
    this.metAt[start] = this.search;
    const queue = [start];
    for (let i = 0; i < queue.length && i < this.visitsMax; i++) {
      const node = queue[i]!;
      const block = i === 0 ? undefined : blockAt.get(node);
      if (block !== undefined) {
        meet(block);
        continue;
      }
      const end = incoming.end(node);
      for (let at = incoming.start(node); at < end; at++) {
        const source = incoming.sourceAt(at);
        if (this.metAt[source] === this.search) continue;
        this.metAt[source] = this.search;
        queue.push(source);
      }
    }
  }
}
