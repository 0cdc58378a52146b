/**
 * Opening the own stream (DESIGN section 7, "Failover is recovery plus opening a new stream").
 *
 *     compare-and-set "stream n is open, written by this node" ──> opened
 *       └──> streams to close first ──recover each──> again
 *
 * To close first: own older incarnations, whose names would lie; in an exclusive volume every
 * open stream, since it has no rivals, unless rivals are to be respected: then the opening is refused; and in a shared one an
 * exclusive stream left open, since entries of the two kinds never race (four votes of an exclusive stream do not protect it from a
 * stale base). Of several that open the stream of an exclusive volume at once, the compare-and-set lets one be first.
 *
 * While the volume's mode is being switched no stream is opened (see `ModeSwitch`).
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
import type { RefusedOpening, Rivals } from "./volume-api.ts";

export type OpenResult =
  | {
      readonly kind: "opened";
      readonly stream: StreamId;
      readonly exclusive: boolean;
      readonly manifest: Manifest;
    }
  | { readonly kind: "refused"; readonly reason: RefusedOpening };

export class StreamOpener {
  private readonly node: NodeName;
  private readonly rivals: Rivals;
  private readonly register: ManifestRegister;
  private readonly planted: PlantedBugs;
  private readonly recover: (stream: StreamId, done: (now: number) => void, now: number) => void;
  private readonly done: (result: OpenResult, now: number) => void;
  /** Ids under which this opening was proposed: a round thought lost may have been chosen. */
  private readonly proposed = new Set<StreamId>();

  constructor(o: {
    readonly node: NodeName;
    readonly rivals: Rivals;
    readonly register: ManifestRegister;
    readonly planted: PlantedBugs;
    readonly recover: (stream: StreamId, done: (now: number) => void, now: number) => void;
    readonly done: (result: OpenResult, now: number) => void;
  }) {
    this.node = o.node;
    this.rivals = o.rivals;
    this.register = o.register;
    this.planted = o.planted;
    this.recover = o.recover;
    this.done = o.done;
  }

  start(now: number): void {
    this.register.change(
      (m) => this.opened(m),
      ({ manifest }, at) => this.goOn(manifest, at),
      now,
    );
  }

  /** Where the stream was to be opened together with something else: by this manifest it may be. */
  resume(known: Manifest | undefined, now: number): void {
    const isOpen = known !== undefined && this.mine(known) !== undefined;
    if (isOpen) this.goOn(known, now);
    else this.start(now);
  }

  private goOn(manifest: Manifest | undefined, now: number): void {
    const mine = manifest === undefined ? undefined : this.mine(manifest);
    if (manifest !== undefined && mine !== undefined)
      return this.done({ kind: "opened", stream: mine.id, exclusive: mine.exclusive, manifest }, now);
    const reason = this.refusal(manifest);
    if (manifest === undefined || reason !== undefined)
      return this.done({ kind: "refused", reason: reason ?? "no-volume" }, now);
    const first = this.toClose(manifest)[0];
    if (first === undefined) this.start(now);
    else this.recover(first, (later) => this.start(later), now);
  }

  /** The manifest with a stream of this node, unless something is in the way. */
  opened(m: Manifest | undefined): Manifest | undefined {
    if (m === undefined || this.mine(m) !== undefined || this.refusal(m) !== undefined) return undefined;
    if (this.toClose(m).length > 0) return undefined;
    const id = m.nextStream;
    this.proposed.add(id);
    const exclusive = m.mode === "single";
    const opened = { state: "open" as const, id, node: this.node, exclusive, epoch: m.epoch };
    return { ...m, nextStream: streamId(id + 1), streams: [...m.streams, opened] };
  }

  private toClose(m: Manifest): StreamId[] {
    if (this.planted.has("exclusive-not-fenced")) return [];
    const inTheWay = openStreams(m).filter((s) => s.node === this.node || m.mode === "single" || s.exclusive);
    return inTheWay.map((s) => s.id);
  }

  private refusal(m: Manifest | undefined): RefusedOpening | undefined {
    if (m === undefined) return "no-volume";
    if (m.nextMode !== m.mode) return "switching";
    const others = openStreams(m).filter((s) => s.node !== this.node);
    const isOccupied = m.mode === "single" && this.rivals === "respect" && others.length > 0;
    if (isOccupied && !this.planted.has("exclusive-not-fenced")) return "occupied";
    const isFull = this.toClose(m).length === 0 && openStreams(m).length >= LIMITS.writers;
    return isFull ? "too-many-writers" : undefined;
  }

  /** The open stream that this opening made. */
  private mine(m: Manifest): { readonly id: StreamId; readonly exclusive: boolean } | undefined {
    return openStreams(m).find((s) => s.node === this.node && this.proposed.has(s.id));
  }
}
