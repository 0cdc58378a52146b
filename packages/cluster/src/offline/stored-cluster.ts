/**
 * The segment servers of a stopped cluster joined by a database node's `Volume`, all of it in memory and without time:
 *
 *     Volume ──send──> StoredServer ──answers──> Volume      until nothing is said any more
 *
 * So the manifest is read as nodes read it, by four of its six seats. Streams that were open when the cluster ended are recovered
 * by the rules of a start, in memory alone: what the first node to start would find committed is what is looked at here.
 */
import {
  nodeName,
  pgOf,
  ReadPoint,
  streamId,
  type ClosedStream,
  type Lsn,
  type Manifest,
  type NodeName,
  type PageId,
  type PgId,
  type StreamId,
} from "@sixfold/model";
import { Volume } from "@sixfold/volume";
import type { PageAnswer, StorageMessage } from "@sixfold/wire";
import type { StoredServer } from "./stored-server.ts";

/** So far time is moved on when nothing happens by itself, and how often, before nothing will. */
const STEP_MS = 1_000;
const STEPS = 30;

export class StoredCluster {
  readonly servers: ReadonlyMap<NodeName, StoredServer>;
  /** As it stood on the disks: the newest that four seats can have agreed on. Undefined if they cannot be heard, or hold none. */
  readonly manifest: Manifest | undefined;
  /** Streams that were open when the cluster ended. */
  readonly opened: readonly StreamId[];
  /** Of those, the ones that could not be recovered here. */
  readonly unrecovered: readonly StreamId[];
  private readonly closed = new Map<StreamId, ClosedStream>();
  private readonly volume: Volume | undefined;
  private readonly newest: ReadPoint;
  private now = 0;
  private requests = 0;

  constructor(servers: ReadonlyMap<NodeName, StoredServer>) {
    this.servers = servers;
    const seen = newestSeen(servers);
    this.volume =
      seen === undefined
        ? undefined
        : new Volume({ node: nodeName("check"), volume: seen.volume, servers: seen.servers, seed: 1 });
    this.manifest = this.readManifest();
    const streams = this.manifest?.streams ?? [];
    this.opened = streams.filter(({ state }) => state === "open").map(({ id }) => id);
    this.unrecovered = this.recoverAll(streams.map(({ id }) => id));
    this.newest = new ReadPoint(
      this.manifest?.settledThrough ?? streamId(0),
      [...this.closed.values()].map(({ id, final }) => [id, final] as const),
    );
  }

  /** The page as this server has it at the newest read point. `anyhow`: also from a segment that lacks slices. */
  read(server: StoredServer, page: PageId, anyhow = false): PageAnswer {
    const pg = pgOf(this.manifest!.geometry, page);
    const need = anyhow ? [] : this.needOf(pg);
    const readPoint = this.newest;
    const [answer] = server.ask({
      type: "readPage",
      request: ++this.requests,
      pg,
      page,
      readPoint,
      need,
      closed: [],
    });
    return answer?.type === "pageRead" ? answer.answer : { kind: "behind" };
  }

  /** Streams of which this server lacks committed slices of this PG. */
  lacks(
    server: StoredServer,
    pg: PgId,
  ): { readonly stream: StreamId; readonly at: number; readonly of: Lsn }[] {
    const standings = server.standings().get(pg) ?? [];
    return this.needOf(pg).flatMap(([stream, of]) => {
      const standing = standings.find((s) => s.stream === stream);
      const at = Math.min(standing?.scl ?? 0, standing?.decidedThrough ?? 0);
      return at < of ? [{ stream, at, of }] : [];
    });
  }

  /** Has a recovery decided what its writer had not, or would a start? */
  isInDoubt(stream: StreamId): boolean {
    return this.opened.includes(stream) || this.manifest!.outcomes.some((o) => o.stream === stream);
  }

  /** Per stream the last committed slice in this PG (I8), of those that are not settled. */
  private needOf(pg: PgId): (readonly [StreamId, Lsn])[] {
    const need: (readonly [StreamId, Lsn])[] = [];
    for (const { id, tails } of this.closed.values()) {
      const tail = tails.get(pg);
      if (tail !== undefined && tail > 0) need.push([id, tail]);
    }
    return need;
  }

  private readManifest(): Manifest | undefined {
    const { volume } = this;
    if (volume === undefined) return undefined;
    for (const name of this.servers.keys()) volume.serverUp(name, this.now);
    volume.refresh(this.now);
    this.goOn(() => volume.manifest !== undefined);
    return volume.manifest;
  }

  /** Has all segments told where the streams end; an open one's end is found first. Returns those without one. */
  private recoverAll(streams: readonly StreamId[]): StreamId[] {
    const { volume } = this;
    if (volume === undefined) return [];
    const left = new Set(streams);
    for (const stream of streams) volume.recover(stream, this.now);
    this.goOn(() => {
      for (const stream of left) if (this.closed.has(stream)) left.delete(stream);
      return left.size === 0;
    });
    return [...left];
  }

  /** Passes messages on until `done`, or until nothing will ever come of it. */
  private goOn(done: () => boolean): void {
    for (let step = 0; step < STEPS; step++) {
      this.passMessages();
      if (done()) return;
      this.now += STEP_MS;
      this.volume!.tick(this.now);
    }
  }

  private passMessages(): void {
    const volume = this.volume!;
    for (let effects = volume.effects.splice(0); effects.length > 0; effects = volume.effects.splice(0))
      for (const effect of effects)
        if (effect.kind === "send") this.pass(volume, effect.to, effect.message);
        else if (effect.kind === "manifest")
          // Those that settle leave the manifest; where they ended still counts here.
          for (const stream of effect.manifest.streams)
            if (stream.state === "closed") this.closed.set(stream.id, stream);
  }

  private pass(volume: Volume, to: NodeName, message: StorageMessage): void {
    const server = this.servers.get(to);
    if (server === undefined) return;
    for (const answer of server.ask(message)) volume.receive(to, answer, this.now);
  }
}

/** The manifest of the highest revision on any seat: whom to ask for the one that counts. */
export function newestSeen(servers: ReadonlyMap<NodeName, StoredServer>): Manifest | undefined {
  let newest: Manifest | undefined;
  for (const server of servers.values())
    for (const answer of server.ask({ type: "manifestPeek", request: 0 })) {
      const value = answer.type === "manifestPeeked" ? answer.value : undefined;
      if (value !== undefined && value.revision > (newest?.revision ?? -1)) newest = value;
    }
  return newest;
}
