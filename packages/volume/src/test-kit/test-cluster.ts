/**
 * Six fake segments and any number of volumes on a network that a test holds in its hand: messages
 * wait in one queue per link, in order, and are delivered when the test says so, one by one or in a
 * seeded order. Time stands still unless moved.
 */
import {
  assert,
  lsn,
  NONE,
  nodeName,
  pageId,
  Random,
  ReadPoint,
  streamId,
  transactionId,
  type Delta,
  type Entry,
  type Lsn,
  type NodeName,
  type PageVersion,
  type ReadCheck,
  type SegmentServerInfo,
  type PlantedBug,
} from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import type { VolumeEffect } from "../volume-api.ts";
import { Volume } from "../volume.ts";
import type { VolumeSettings } from "../settings.ts";
import { Ancestry } from "./ancestry.ts";
import { FakeSegment, type SegmentBreaks } from "./fake-segment.ts";

export const SERVERS: readonly SegmentServerInfo[] = ["a1", "a2", "b1", "b2", "c1", "c2"].map((s) => ({
  name: nodeName(`segment-${s}`),
  az: s[0]!,
  url: `ws://${s}`,
}));
export const GEOMETRY = { pageBytes: 8192, segmentBytes: 64 * 8192 };
export const EMPTY_POINT = new ReadPoint(streamId(0));

interface Message {
  readonly from: string;
  readonly to: string;
  readonly message: StorageMessage;
}

export class TestNode {
  readonly volume: Volume;
  /** Everything but messages, in order. */
  readonly events: VolumeEffect[] = [];
  dead = false;

  constructor(volume: Volume) {
    this.volume = volume;
  }

  of<K extends VolumeEffect["kind"]>(kind: K): Extract<VolumeEffect, { kind: K }>[] {
    return this.events.filter((e): e is Extract<VolumeEffect, { kind: K }> => e.kind === kind);
  }

  decisions(): Map<Lsn, string> {
    return new Map(this.of("decided").map((d) => [d.lsn, d.decision]));
  }
}

export class TestCluster {
  now = 1000;
  readonly segments = new Map<NodeName, FakeSegment>();
  readonly nodes = new Map<string, TestNode>();
  readonly links = new Map<string, Message[]>();
  readonly cut = new Set<string>();
  readonly random: Random;
  private incarnations = 0;

  constructor(seed = 1, breaks: SegmentBreaks = {}) {
    this.random = new Random(seed);
    const ancestry = new Ancestry();
    for (const s of SERVERS) this.segments.set(s.name, new FakeSegment(s.name, ancestry, breaks));
  }

  addNode(
    name: string,
    o: { readonly settings?: Partial<VolumeSettings>; readonly planted?: readonly PlantedBug[] } = {},
  ): TestNode {
    const seed = ++this.incarnations;
    const volume = new Volume({
      node: nodeName(name),
      volume: "test",
      servers: SERVERS,
      seed,
      // Scripts deliver every frame by hand: decisions leave at once, so that they see them.
      settings: { decisionDelayMs: 0, ...o.settings },
      planted: new Set(o.planted),
    });
    const node = new TestNode(volume);
    this.nodes.set(name, node);
    for (const s of SERVERS) if (!this.isCut(name, s.name)) volume.serverUp(s.name, this.now);
    this.drain(name);
    return node;
  }

  /** The node stops for good; what it has sent is still on its way. */
  kill(name: string): void {
    this.nodes.get(name)!.dead = true;
    for (const [key, queue] of this.links) if (queue[0]?.to === name) this.links.delete(key);
    this.nodes.delete(name);
  }

  private isCut(node: string, server: string): boolean {
    return this.cut.has(`${node}|${server}`);
  }

  /** The link breaks: what was on it is lost. */
  disconnect(node: string, server: NodeName): void {
    if (this.isCut(node, server)) return;
    this.cut.add(`${node}|${server}`);
    this.links.delete(`${node}>${server}`);
    this.links.delete(`${server}>${node}`);
    this.nodes.get(node)?.volume.serverDown(server, this.now);
    this.drain(node);
  }

  reconnect(node: string, server: NodeName): void {
    if (!this.cut.delete(`${node}|${server}`)) return;
    this.nodes.get(node)?.volume.serverUp(server, this.now);
    this.drain(node);
  }

  /** Takes the effects of a node's turn: messages onto the links, the rest into its events. */
  drain(name: string): void {
    const node = this.nodes.get(name);
    if (node === undefined) return;
    const { effects } = node.volume;
    for (const e of effects) {
      if (e.kind === "send" || e.kind === "ask") this.put(name, e.to, e.message);
      else if (e.kind === "append") for (const to of e.to) this.put(name, to, e.message);
      else node.events.push(e);
    }
    effects.length = 0;
  }

  private put(from: string, to: string, message: StorageMessage): void {
    const isNodeSending = this.nodes.has(from);
    if (isNodeSending ? this.isCut(from, to) : this.isCut(to, from) || !this.nodes.has(to)) return;
    const key = `${from}>${to}`;
    const queue = this.links.get(key) ?? [];
    this.links.set(key, queue);
    queue.push({ from, to, message });
  }

  flush(name: string): void {
    this.nodes.get(name)?.volume.flush(EMPTY_POINT, EMPTY_POINT, this.now);
    this.drain(name);
  }

  /** Delivers the first message of a link; false if there is none. */
  deliver(key: string): boolean {
    const queue = this.links.get(key);
    const m = queue?.shift();
    if (queue !== undefined && queue.length === 0) this.links.delete(key);
    if (m === undefined) return false;
    const segment = this.segments.get(m.to as NodeName);
    if (segment !== undefined) {
      for (const r of segment.receive(m.from, m.message)) this.put(m.to, r.to, r.message);
    } else {
      this.receive(m);
      this.flush(m.to);
    }
    return true;
  }

  private receive({ from, to, message }: Message): void {
    const volume = this.nodes.get(to)?.volume;
    if (message.type === "pagesGiven") volume?.ownership?.answered(message);
    else if (message.type === "askPages") {
      const pages = volume?.ownership?.give(message) ?? [];
      if (volume !== undefined) this.put(to, from, { type: "pagesGiven", request: message.request, pages });
    } else volume?.receive(from as NodeName, message, this.now);
  }

  /** Delivers one message of a random link. */
  step(): boolean {
    const keys = [...this.links.keys()];
    return keys.length > 0 && this.deliver(this.random.pick(keys));
  }

  /** Delivers everything, then lets time pass, `rounds` times. */
  run(rounds = 1, ms = 10): void {
    for (let i = 0; i < rounds; i++) {
      for (let n = 0; this.step(); n++) assert(n < 200_000, "the network falls silent");
      this.tick(ms);
    }
    for (let n = 0; this.step(); n++) assert(n < 200_000, "the network falls silent");
  }

  tick(ms = 10): void {
    this.now += ms;
    for (const name of [...this.nodes.keys()]) {
      this.nodes.get(name)!.volume.tick(this.now);
      this.flush(name);
    }
  }

  /** One segment hears from another. */
  gossipOnce(): void {
    const all = [...this.segments.values()];
    this.hear(this.random.pick(all), this.random.pick(all));
  }

  private hear(a: FakeSegment, b: FakeSegment): void {
    if (a === b) return;
    for (const r of a.gossipFrom(b)) this.put(a.name, r.to, r.message);
  }

  gossip(): void {
    const all = [...this.segments.values()];
    for (const a of all) for (const b of all) this.hear(a, b);
  }
}

/** A cluster with an open stream at each of `names`, numbered 1, 2, … in their order. */
export function openCluster(
  mode: "single" | "multi",
  names: readonly string[],
  o: {
    readonly seed?: number;
    readonly settings?: Partial<VolumeSettings>;
    readonly planted?: readonly PlantedBug[];
  } = {},
): TestCluster {
  const cluster = new TestCluster(o.seed ?? 1);
  for (const name of names) {
    const node = cluster.addNode(name, o);
    node.volume.create({ mode, geometry: GEOMETRY }, cluster.now);
    node.volume.openStream(cluster.now);
    cluster.drain(name);
    cluster.run(3);
    assert(node.of("opened").length === 1, "the stream opens");
  }
  return cluster;
}

export function delta(page: number, base: PageVersion = NONE): Delta {
  return { page: pageId(page), base, ops: Uint8Array.of(1, 0, 0, 1, 0, 7) };
}

export function entry(
  stream: number,
  at: number,
  deltas: readonly Delta[],
  o: {
    readonly checks?: readonly ReadCheck[];
    readonly ownBases?: readonly number[];
    readonly supersedes?: number;
    readonly transaction?: string;
  } = {},
): Entry {
  return {
    stream: streamId(stream),
    lsn: lsn(at),
    supersedes: lsn(o.supersedes ?? 0),
    transaction: transactionId(o.transaction ?? `${stream.toString(36)}-t${at}`),
    ownBases: (o.ownBases ?? []).map(lsn),
    deltas,
    checks: o.checks ?? [],
  };
}

export const at = (stream: number, n: number): PageVersion => ({
  stream: streamId(stream),
  lsn: lsn(n),
});
