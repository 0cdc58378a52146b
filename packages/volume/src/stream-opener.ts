/**
 * Opening the own stream (DESIGN section 7, "Failover is recovery plus opening a new stream").
 *
 *     read ──> streams to close first? ──recover each──> read again
 *       └──> none: compare-and-set "stream n is open, written by this node" ──> opened
 *
 * To close first: own older incarnations, whose names would lie; in an exclusive volume every
 * open stream, since it has no rivals; and in a shared one an exclusive stream left open, since entries
 * of the two kinds never race (four votes of an exclusive stream do not protect it from a stale base).
 * The writer builds only on what the closes in the manifest it opened with have left.
 */
import {
  LIMITS,
  openStreams,
  streamId,
  type Manifest,
  type NodeName,
  type PlantedBugs,
  type StreamId,
} from "@sixfold/model";
import type { ManifestRegister } from "./manifest-register.ts";

export type OpenResult =
  | {
      readonly kind: "opened";
      readonly stream: StreamId;
      readonly exclusive: boolean;
      readonly manifest: Manifest;
    }
  | { readonly kind: "refused"; readonly reason: "too-many-writers" | "no-volume" };

export class StreamOpener {
  private readonly node: NodeName;
  private readonly register: ManifestRegister;
  private readonly planted: PlantedBugs;
  private readonly recover: (stream: StreamId, done: (now: number) => void, now: number) => void;
  private readonly done: (result: OpenResult, now: number) => void;
  /** Ids under which this opening was proposed: a round thought lost may have been chosen. */
  private readonly proposed = new Set<StreamId>();

  constructor(o: {
    readonly node: NodeName;
    readonly register: ManifestRegister;
    readonly planted: PlantedBugs;
    readonly recover: (stream: StreamId, done: (now: number) => void, now: number) => void;
    readonly done: (result: OpenResult, now: number) => void;
  }) {
    this.node = o.node;
    this.register = o.register;
    this.planted = o.planted;
    this.recover = o.recover;
    this.done = o.done;
  }

  start(now: number): void {
    this.register.read(({ manifest }, at) => {
      if (manifest === undefined) return this.done({ kind: "refused", reason: "no-volume" }, at);
      const first = this.toClose(manifest)[0];
      if (first !== undefined) this.recover(first, (later) => this.start(later), at);
      else this.open(at);
    }, now);
  }

  private toClose(m: Manifest): StreamId[] {
    if (this.planted.has("exclusive-not-fenced")) return [];
    const inTheWay = openStreams(m).filter((s) => s.node === this.node || m.mode === "single" || s.exclusive);
    return inTheWay.map((s) => s.id);
  }

  private open(now: number): void {
    this.register.change(
      (m) => {
        if (m === undefined || this.mine(m) !== undefined || this.toClose(m).length > 0) return undefined;
        if (openStreams(m).length >= LIMITS.writers) return undefined;
        const id = m.nextStream;
        this.proposed.add(id);
        const exclusive = m.mode === "single";
        const opened = { state: "open" as const, id, node: this.node, exclusive, epoch: m.epoch };
        return { ...m, nextStream: streamId(id + 1), streams: [...m.streams, opened] };
      },
      ({ manifest }, at) => {
        const mine = manifest === undefined ? undefined : this.mine(manifest);
        if (manifest !== undefined && mine !== undefined) {
          return this.done({ kind: "opened", stream: mine.id, exclusive: mine.exclusive, manifest }, at);
        }
        if (
          manifest !== undefined &&
          this.toClose(manifest).length === 0 &&
          openStreams(manifest).length >= LIMITS.writers
        ) {
          return this.done({ kind: "refused", reason: "too-many-writers" }, at);
        }
        this.start(at);
      },
      now,
    );
  }

  /** The open stream that this opening made. */
  private mine(m: Manifest): { readonly id: StreamId; readonly exclusive: boolean } | undefined {
    return openStreams(m).find((s) => s.node === this.node && this.proposed.has(s.id));
  }
}
