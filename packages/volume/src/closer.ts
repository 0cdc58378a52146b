/**
 * What follows a close (DESIGN section 7, step 4): every segment hears of it, and the manifest is
 * relieved of what all of them know.
 *
 *     close to all six of every PG, again and again
 *        all six of every PG know it, and
 *        four have every committed slice       -> the stream's outcomes leave the manifest
 *        six of six of every PG are complete   -> the stream is settled; `settledThrough` moves up
 *                                                 to the first stream that is not
 *
 * Any node may do it, several at once as well: all steps are idempotent. The node that closed a
 * stream does, and the writer of the oldest open stream does it for all, since who closed may be gone.
 */
import {
  FENCE_QUORUM,
  lsn,
  membersOf,
  pgId,
  REPLICAS,
  setsOf,
  streamState,
  type ClosedStream,
  type Decisions,
  type Manifest,
  type NodeName,
  type PgId,
  type PlantedBugs,
  type StreamId,
} from "@sixfold/model";
import type { Closed } from "@sixfold/wire";
import type { ManifestRegister } from "./manifest-register.ts";
import type { Outbox } from "./outbox.ts";
import type { VolumeSettings } from "./settings.ts";

interface Closing {
  readonly stream: ClosedStream;
  readonly decisions: Decisions;
  /** Per PG, who knows of the close, and who has every committed slice. */
  readonly told: Set<NodeName>[];
  readonly complete: Set<NodeName>[];
  askedAt: number;
}

export class Closer {
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly register: ManifestRegister;
  private readonly planted: PlantedBugs;
  private readonly closings = new Map<StreamId, Closing>();
  private readonly settled = new Map<StreamId, Closing>();
  private writing = false;
  private manifest: Manifest | undefined;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.planted = o.planted;
  }

  /** Closed streams that are not yet settled, of those this node works on. */
  get open(): number {
    return this.closings.size;
  }

  learnManifest(manifest: Manifest): void {
    this.manifest = manifest;
    for (const id of this.closings.keys()) if (id <= manifest.settledThrough) this.closings.delete(id);
    for (const id of this.settled.keys()) if (id <= manifest.settledThrough) this.settled.delete(id);
    // A newcomer is to have all of it, too.
    for (const [id, closing] of this.settled) {
      if (this.isSettled(manifest, closing)) continue;
      this.settled.delete(id);
      this.closings.set(id, closing);
    }
  }

  /** Takes this closed stream in hand. */
  adopt(stream: StreamId, now: number): void {
    const m = this.manifest;
    const state = m === undefined ? undefined : streamState(m, stream);
    if (m === undefined || state?.state !== "closed" || this.closings.has(stream) || this.settled.has(stream))
      return;
    const closing: Closing = {
      stream: state,
      decisions: closeDecisions(m, state),
      told: m.pgs.map(() => new Set()),
      complete: m.pgs.map(() => new Set()),
      askedAt: now,
    };
    this.closings.set(stream, closing);
    this.tell(closing);
  }

  adoptAll(now: number): void {
    for (const s of this.manifest?.streams ?? []) if (s.state === "closed") this.adopt(s.id, now);
  }

  onClosed(from: NodeName, m: Closed, now: number): void {
    const closing = this.closings.get(m.stream);
    if (closing === undefined || this.manifest === undefined) return;
    if (!membersOf(this.manifest, m.pg).includes(from)) return;
    closing.told[m.pg]?.add(from);
    if (m.complete) closing.complete[m.pg]?.add(from);
    this.relieve(now);
  }

  serverUp(server: NodeName): void {
    for (const closing of this.closings.values()) this.tell(closing, server);
  }

  tick(now: number): void {
    for (const closing of this.closings.values()) {
      if (now - closing.askedAt < this.settings.housekeepingMs) continue;
      closing.askedAt = now;
      this.tell(closing);
    }
    this.relieve(now);
  }

  private tell(closing: Closing, only?: NodeName): void {
    const { stream, decisions } = closing;
    this.manifest!.pgs.forEach((_, index) => {
      const pg = pgId(index);
      const complete = closing.complete[pg];
      // A PG younger than the close has nothing of the stream, and its segments hear of the close with the others'.
      if (complete === undefined) return;
      for (const member of membersOf(this.manifest!, pg)) {
        if (complete.has(member) || (only !== undefined && only !== member)) continue;
        const tail = stream.tails.get(pg) ?? lsn(0);
        const request = this.out.nextRequest();
        this.out.send(member, {
          type: "close",
          request,
          pg,
          stream: stream.id,
          final: stream.final,
          tail,
          decisions,
        });
      }
    });
  }

  /** Four of each set have every committed slice: what is needed before a PG changes its members. */
  isHeld(m: Manifest, stream: StreamId, pg: PgId): boolean {
    const closing = this.closings.get(stream) ?? this.settled.get(stream);
    const complete = closing?.complete[pg];
    // A PG younger than the close has nothing of the stream.
    return closing !== undefined && (complete === undefined || isSaidBy(complete, m, pg, FENCE_QUORUM));
  }

  /** Whoever was away may hold an entry for aborted that the manifest calls committed, and only its word overrules that: all must have heard it. */
  private mayDropOutcomes(m: Manifest, c: Closing): boolean {
    const enough = this.planted.has("outcomes-dropped-early") ? 1 : REPLICAS;
    // Who knows of a commit and lacks its slice sees no conflict with it (I3): four must have both.
    const holders = Math.min(enough, FENCE_QUORUM);
    return (
      c.complete.every((t, pg) => isSaidBy(t, m, pgId(pg), holders)) &&
      c.told.every((t, pg) => isSaidBy(t, m, pgId(pg), enough))
    );
  }

  /** Everybody who keeps one of its PGs has all of it. */
  private isSettled(m: Manifest, c: Closing): boolean {
    const whole = this.planted.has("settled-too-early") ? c.told : c.complete;
    return whole.every((t, pg) => membersOf(m, pgId(pg)).every((name) => t.has(name)));
  }

  private settledThrough(m: Manifest): StreamId {
    let through = m.settledThrough;
    for (const s of m.streams) {
      const closing = s.state === "closed" ? this.settled.get(s.id) : undefined;
      if (closing === undefined || !this.isSettled(m, closing)) break;
      through = s.id;
    }
    return through;
  }

  /** Takes out of the manifest what it need not hold any more. */
  private relieve(now: number): void {
    const m = this.manifest;
    if (this.writing || m === undefined) return;
    const droppable = new Set<StreamId>();
    for (const [id, c] of this.closings) {
      if (this.mayDropOutcomes(m, c) && m.outcomes.some((o) => o.stream === id)) droppable.add(id);
      if (!this.isSettled(m, c)) continue;
      this.settled.set(id, c);
      this.closings.delete(id);
    }
    if (droppable.size === 0 && this.settledThrough(m) === m.settledThrough) return;
    this.writing = true;
    this.register.change(
      (current) => {
        if (current === undefined) return undefined;
        const through = this.settledThrough(current);
        const gone = (id: StreamId): boolean =>
          id <= through || (droppable.has(id) && streamState(current, id)?.state === "closed");
        const outcomes = current.outcomes.filter((o) => !gone(o.stream));
        if (through === current.settledThrough && outcomes.length === current.outcomes.length)
          return undefined;
        return {
          ...current,
          settledThrough: through,
          streams: current.streams.filter((s) => s.id > through),
          outcomes,
        };
      },
      () => {
        this.writing = false;
      },
      now,
    );
  }
}

/** The decisions that a closed stream's outcomes amount to: an empty range at its end, once they have left the manifest. */
export function closeDecisions(m: Manifest, state: ClosedStream): Decisions {
  const outcomes = m.outcomes.filter((o) => o.stream === state.id);
  const first = outcomes[0];
  if (first === undefined) return { from: state.final, through: state.final, aborts: [], earlyAborts: [] };
  // An exclusive stream lists only its aborts: all else up to its end is committed. A shared one lists everything from its first on.
  const from = state.exclusive ? lsn(0) : lsn(first.lsn - 1);
  const aborts = outcomes.filter((o) => o.decision === "abort").map((o) => o.lsn);
  return { from, through: state.final, aborts, earlyAborts: [] };
}

/** Have so many of each of the PG's sets of six said so? */
function isSaidBy(said: ReadonlySet<NodeName>, m: Manifest, pg: PgId, enough: number): boolean {
  return setsOf(m, pg).every((set) => set.filter((name) => said.has(name)).length >= enough);
}
