/**
 * What this node's readers need, told to every segment server: versions before the oldest read point of any node may be merged
 * (DESIGN section 4, "Merge and trim").
 *
 * A writer's appends say the same, but a replica sends none, and a writer that has nothing to write would hold everybody's merging
 * back where it stopped. So it is told by itself, once a second while it moves, and now and then when it does not: what was not heard
 * for longer than a transaction may live does not count any more.
 */
import type { Manifest, NodeName, ReadPoint, StreamId } from "@sixfold/model";
import type { Outbox } from "./outbox.ts";

interface Told {
  readonly lowWater: ReadPoint;
  readonly shown: ReadPoint;
  readonly stream: StreamId | undefined;
}

export class ReadersReport {
  private readonly out: Outbox;
  private readonly everyMs: number;
  private readonly againMs: number;
  private told: Told | undefined;
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(out: Outbox, everyMs: number, againMs: number) {
    this.out = out;
    this.everyMs = everyMs;
    this.againMs = againMs;
  }

  /** A new link knows nothing yet. */
  serverUp(server: NodeName): void {
    if (this.told !== undefined) this.out.send(server, { type: "readers", ...this.told });
  }

  /** At each end of a turn: `lowWater` is the oldest read point in use here, `shown` what new readers get. */
  flush(next: Told, manifest: Manifest | undefined, now: number): void {
    const passed = now - this.toldAt;
    if (passed < this.everyMs || manifest === undefined) return;
    if (passed < this.againMs && this.told !== undefined && isSame(this.told, next)) return;
    this.toldAt = now;
    // The node's own vectors go on moving.
    this.told = { ...next, lowWater: next.lowWater.clone(), shown: next.shown.clone() };
    for (const { name } of manifest.servers) this.out.send(name, { type: "readers", ...this.told });
  }
}

const isSame = (a: Told, b: Told): boolean =>
  a.stream === b.stream && isEqual(a.lowWater, b.lowWater) && isEqual(a.shown, b.shown);

const isEqual = (a: ReadPoint, b: ReadPoint): boolean => a.isAtMost(b) && b.isAtMost(a);
