/**
 * Catching up with a stream from storage: slices and their fate, from whichever segment has them (DESIGN section 4, "Gossip").
 *
 * Segments are asked in turn; the first that has anything beyond `after`, or says that it was
 * merged away, answers for all: decided slices are the same everywhere (I3).
 */
import { lsn, type Lsn, type Manifest, type PgId, type StreamId } from "@sixfold/model";
import type { PulledSlices } from "@sixfold/wire";
import type { Outbox } from "./outbox.ts";
import type { VolumeSettings } from "./settings.ts";

interface Pull {
  readonly stream: StreamId;
  readonly pg: PgId;
  readonly after: Lsn;
  readonly through: Lsn;
  asked: number;
  askedAt: number;
  request: number;
  /** The best answer so far, used when nobody has all. */
  best: PulledSlices | undefined;
}

export class SlicePuller {
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private manifest: Manifest | undefined;
  private readonly pulls = new Set<Pull>();

  constructor(out: Outbox, settings: VolumeSettings) {
    this.out = out;
    this.settings = settings;
  }

  learnManifest(manifest: Manifest): void {
    this.manifest = manifest;
  }

  pull(stream: StreamId, pg: PgId, after: Lsn, through: Lsn, now: number): void {
    const pull: Pull = { stream, pg, after, through, asked: 0, askedAt: now, request: 0, best: undefined };
    this.pulls.add(pull);
    this.askNext(pull, now);
  }

  onPulled(m: PulledSlices, now: number): void {
    for (const pull of this.pulls) {
      if (pull.request !== m.request) continue;
      if (pull.best === undefined || reach(m) > reach(pull.best)) pull.best = m;
      if (reach(m) >= pull.through || !this.askNext(pull, now)) this.finish(pull);
      return;
    }
  }

  tick(now: number): void {
    for (const pull of this.pulls) {
      if (now - pull.askedAt < this.settings.askAgainMs || this.askNext(pull, now)) continue;
      if (pull.best !== undefined) this.finish(pull);
      else {
        pull.asked = 0;
        this.askNext(pull, now);
      }
    }
  }

  private askNext(pull: Pull, now: number): boolean {
    pull.askedAt = now;
    const members = this.manifest?.pgs[pull.pg] ?? [];
    for (let i = 0; i < members.length; i++) {
      const at = (i + pull.pg) % members.length;
      if ((pull.asked & (1 << at)) !== 0 || !this.out.isUp(members[at]!)) continue;
      pull.asked |= 1 << at;
      pull.request = this.out.nextRequest();
      const { pg, stream, after, through } = pull;
      this.out.send(members[at]!, { type: "pullSlices", request: pull.request, pg, stream, after, through });
      return true;
    }
    return false;
  }

  private finish(pull: Pull): void {
    this.pulls.delete(pull);
    const best = pull.best!;
    this.out.effects.push({
      kind: "slices",
      pg: pull.pg,
      stream: pull.stream,
      after: pull.after,
      reached: lsn(Math.min(pull.through, Math.max(reach(best), pull.after))),
      slices: best.slices,
      decisions: best.decisions,
      gone: best.mergedThrough,
    });
  }
}

/** How far an answer goes: its decided range, but no further than its slices if they were cut to fit a frame. */
function reach(m: PulledSlices): number {
  return Math.max(m.decisions.through, m.mergedThrough);
}
