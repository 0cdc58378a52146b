/**
 * The own stream's life after its opening: growing the volume, a clean close, and noticing that it is lost (DESIGN section 7).
 *
 *     open ──closeOwn──> deciding ──everything decided and known──> writing ──> closed
 *       └──── fenced at a segment ──> the manifest tells ──> lost
 */
import {
  placeSegments,
  segmentsPerServer,
  streamState,
  type Lsn,
  type Manifest,
  type PlantedBugs,
} from "@sixfold/model";
import { ManifestCommit } from "./manifest-commit.ts";
import type { ManifestRegister } from "./manifest-register.ts";
import type { Outbox } from "./outbox.ts";
import { closeStream } from "./recovery.ts";
import type { VolumeSettings } from "./settings.ts";
import type { StreamWriter } from "./stream-writer.ts";

export class OwnStream {
  readonly writer: StreamWriter;
  readonly manifestCommit: ManifestCommit;
  /** `deciding`: `closeOwn` was called. `writing`: its close is on the way to the manifest. */
  closing: "no" | "deciding" | "writing" = "no";
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly register: ManifestRegister;
  private readonly closed: (final: Lsn, now: number) => void;
  private readonly recover: (now: number) => void;
  private readonly closesInFlight: boolean;
  private growing = false;
  /** When the manifest was last read on account of a fence; infinite while that read is under way. */
  private fenceCheckedAt = Number.NEGATIVE_INFINITY;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly writer: StreamWriter;
    /** The clean close has been written. */
    readonly closed: (final: Lsn, now: number) => void;
    /** Finish a recovery of this stream that somebody has begun. */
    readonly recover: (now: number) => void;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.writer = o.writer;
    this.closed = o.closed;
    this.recover = o.recover;
    const { out, settings, register, writer, planted } = o;
    this.closesInFlight = planted.has("closed-in-flight");
    this.manifestCommit = new ManifestCommit({ out, settings, register, writer, planted });
  }

  /** After the writer's own flush. */
  flushed(now: number): void {
    if (this.writer.wantsPgs > 0 && !this.growing) this.grow(this.writer.wantsPgs, now);
    this.closeIfQuiet(now);
  }

  tick(now: number): void {
    this.writer.tick(now);
    this.manifestCommit.tick(now, this.closing !== "no");
    this.closeIfQuiet(now);
    if (this.writer.fencedSince !== undefined) this.checkFence(now);
  }

  close(now: number): void {
    if (this.closing !== "no") return;
    this.closing = "deciding";
    this.closeIfQuiet(now);
  }

  /** Does the manifest take the stream from its writer? */
  isLostIn(m: Manifest): boolean {
    return this.closing !== "writing" && streamState(m, this.writer.stream)?.state !== "open";
  }

  /**
   * No fence is needed: this node is the stream's only author, sends nothing more, has decided everything, and its decisions are
   * durable on four of six segments of each PG. A rival recovery comes to the same end, and the compare-and-set lets one of the two be first.
   */
  private closeIfQuiet(now: number): void {
    const { writer } = this;
    const isDone = this.closesInFlight || (writer.isQuiet() && this.manifestCommit.isIdle);
    if (this.closing !== "deciding" || !isDone) return;
    this.closing = "writing";
    const judgement = { final: writer.durable, tails: writer.committedTails(), outcomes: [] };
    this.register.change(
      (m) =>
        m === undefined || streamState(m, writer.stream)?.state !== "open"
          ? undefined
          : closeStream(m, writer.stream, judgement),
      ({ manifest }, at) => {
        const state = manifest === undefined ? undefined : streamState(manifest, writer.stream);
        this.closed(state?.state === "closed" ? state.final : judgement.final, at);
      },
      now,
    );
  }

  /** A segment says "fenced": the manifest tells whether the stream is lost. If not even after a while, its recovery has died on the way; finish it. */
  checkFence(now: number): void {
    if (now - this.fenceCheckedAt >= this.settings.askAgainMs) {
      this.fenceCheckedAt = Number.POSITIVE_INFINITY;
      this.register.read((_, at) => {
        this.fenceCheckedAt = at;
      }, now);
    }
    const since = this.writer.fencedSince;
    if (since !== undefined && now - since >= this.settings.fencedPatienceMs) this.recover(now);
  }

  /** The volume grows by protection groups, each on the servers that keep least, of those that are up where that leaves enough. */
  private grow(count: number, now: number): void {
    this.growing = true;
    this.register.change(
      (m) => {
        if (m === undefined || m.pgs.length >= count) return undefined;
        let grown = m;
        while (grown.pgs.length < count) {
          const kept = segmentsPerServer(grown);
          const up = m.servers.filter((s) => this.out.isUp(s.name));
          const members = placeSegments(up, kept) ?? placeSegments(m.servers, kept);
          if (members === undefined) return undefined;
          grown = { ...grown, pgs: [...grown.pgs, members] };
        }
        return grown;
      },
      () => {
        this.growing = false;
      },
      now,
    );
  }
}
