/** The recoveries that this node runs, one a stream; who asks for one that is under way waits for it. */
import type { Lsn, Manifest, NodeName, PlantedBugs, StreamId } from "@sixfold/model";
import type { Fenced } from "@sixfold/wire";
import type { ManifestRegister } from "./manifest-register.ts";
import type { Outbox } from "./outbox.ts";
import { Recovery } from "./recovery.ts";
import type { VolumeSettings } from "./settings.ts";

interface Running {
  readonly recovery: Recovery;
  readonly waiters: ((now: number) => void)[];
}

export class Recoveries {
  private readonly running = new Map<StreamId, Running>();
  private readonly o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly planted: PlantedBugs;
    /** The manifest as last learned. */
    readonly known: () => Manifest | undefined;
    /** Before those that wait for it. */
    readonly closed: (stream: StreamId, final: Lsn, now: number) => void;
  };

  constructor(o: Recoveries["o"]) {
    this.o = o;
  }

  has(stream: StreamId): boolean {
    return this.running.has(stream);
  }

  get streams(): StreamId[] {
    return [...this.running.keys()];
  }

  /** `also`: what else the compare-and-set that closes the stream is to change. */
  start(
    stream: StreamId,
    done: (now: number) => void,
    now: number,
    also?: (closed: Manifest) => Manifest,
  ): void {
    const running = this.running.get(stream);
    if (running !== undefined) {
      running.waiters.push(done);
      return;
    }
    const { out, settings, register, planted, known } = this.o;
    out.log("info", "recovery begins", { stream });
    const recovery = new Recovery({
      ...{ out, settings, register, stream, planted, also },
      done: (final, at) => this.done(stream, final, at),
    });
    this.running.set(stream, { recovery, waiters: [done] });
    recovery.start(known(), now);
  }

  serverUp(server: NodeName): void {
    for (const { recovery } of this.running.values()) recovery.serverUp(server);
  }

  learnManifest(manifest: Manifest, now: number): void {
    for (const { recovery } of [...this.running.values()]) recovery.learnManifest(manifest, now);
  }

  onFenced(from: NodeName, message: Fenced, now: number): void {
    this.running.get(message.stream)?.recovery.onFenced(from, message, now);
  }

  tick(now: number): void {
    for (const { recovery } of this.running.values()) recovery.tick(now);
  }

  private done(stream: StreamId, final: Lsn | undefined, now: number): void {
    const { waiters } = this.running.get(stream)!;
    this.running.delete(stream);
    if (final !== undefined) {
      this.o.closed(stream, final, now);
      this.o.out.log("info", "stream closed", { stream, final });
    }
    for (const done of waiters) done(now);
  }
}
