/**
 * Takes a volume from one membership to the next (DESIGN section 7, "Membership"; rules and sets: `@sixfold/model`, membership).
 *
 *     replace ──> both sets ──> newcomers copy ──> they have everything ──> all writers past it ──> new six
 *                    │          (asked here)       (four of the new six      (each says so by
 *                    │                              all that is closed)       its stream's epoch)
 *                    └──> given up ─────────────────────────────────────────> all writers past it ──> old six
 *
 * Every writer says how far it is, by a change of its own stream in the manifest; the writer of the oldest open stream takes the steps.
 * Should it die meanwhile, the next one finds all it must know in the manifest.
 */
import {
  beginChanges,
  changeOf,
  endChanges,
  isPast,
  openStreams,
  pgId,
  placeReplacements,
  type Epoch,
  type Manifest,
  type MemberChange,
  type NodeName,
  type PgId,
  type StreamId,
} from "@sixfold/model";
import type { Copied } from "@sixfold/wire";
import type { ManifestRegister } from "./manifest-register.ts";
import type { Outbox } from "./outbox.ts";
import type { VolumeSettings } from "./settings.ts";
import type { ReplaceAnswer } from "./volume-api.ts";

/** What the own stream's writer knows of itself. */
export interface OwnEpoch {
  readonly stream: StreamId;
  /** All entries of earlier epochs are decided, durably on four of each set of their PGs. */
  isPast(epoch: Epoch): boolean;
}

export class MemberChanges {
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly register: ManifestRegister;
  /** Four of the PG's sets have all that this closed stream left there. */
  private readonly isHeld: (m: Manifest, stream: StreamId, pg: PgId) => boolean;
  private manifest: Manifest | undefined;
  /** Newcomers that have everything, per PG, in the change that is under way. */
  private readonly whole = new Map<PgId, Set<NodeName>>();
  private askedAt = 0;
  private isWriting = false;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly isHeld: (m: Manifest, stream: StreamId, pg: PgId) => boolean;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.isHeld = o.isHeld;
  }

  learnManifest(m: Manifest): void {
    for (const pg of this.whole.keys())
      if (changeOf(m, pg)?.since !== changeOf(this.manifest!, pg)?.since) this.whole.delete(pg);
    this.manifest = m;
  }

  onCopied(from: NodeName, { pg, isWhole }: Copied): void {
    const m = this.manifest;
    if (!isWhole || m === undefined || !newcomersOf(m, pg).includes(from)) return;
    const whole = this.whole.get(pg);
    if (whole === undefined) this.whole.set(pg, new Set([from]));
    else whole.add(from);
  }

  tick(own: OwnEpoch | undefined, now: number): void {
    const m = this.manifest;
    if (m === undefined || own === undefined || this.isWriting) return;
    const streams = openStreams(m);
    const mine = streams.find((s) => s.id === own.stream);
    if (mine !== undefined && mine.epoch < m.epoch && own.isPast(m.epoch)) this.sayPast(own, now);
    else if (streams[0]?.id === own.stream && m.changes.length > 0) this.lead(m, now);
  }

  /** Begins to replace what `leaving` keeps, by servers of its zone: all of them that it may be, or those of `candidates`. */
  replace(
    leaving: NodeName,
    candidates: readonly NodeName[] | undefined,
    done: (answer: ReplaceAnswer) => void,
    now: number,
  ): void {
    let answer: ReplaceAnswer = { refused: "the volume does not exist" };
    this.register.change(
      (m) => {
        if (m === undefined) return undefined;
        const begun = begin(m, leaving, candidates ?? m.servers.map((s) => s.name));
        answer = begun.answer;
        return begun.next;
      },
      () => done(answer),
      now,
    );
  }

  private sayPast(own: OwnEpoch, now: number): void {
    this.change((m) => {
      const at = m.streams.findIndex((s) => s.id === own.stream);
      const stream = m.streams[at];
      if (stream?.state !== "open" || stream.epoch >= m.epoch || !own.isPast(m.epoch)) return undefined;
      const streams = [...m.streams];
      streams[at] = { ...stream, epoch: m.epoch };
      return { ...m, streams };
    }, now);
  }

  private lead(m: Manifest, now: number): void {
    if (now - this.askedAt >= this.settings.askAgainMs) {
      this.askedAt = now;
      for (const { pg } of m.changes)
        for (const name of newcomersOf(m, pg))
          if (this.whole.get(pg)?.has(name) !== true)
            this.out.send(name, { type: "askCopied", request: this.out.nextRequest(), pg });
    }
    if (!m.changes.some((c) => this.isDue(m, c))) return;
    this.change((current) => {
      const due = current.changes.filter((c) => this.isDue(current, c)).map((c) => c.pg);
      if (due.length === 0) return undefined;
      this.out.log("info", "members-changed", { pgs: due.length });
      return endChanges(current, due, "finished");
    }, now);
  }

  /** May this PG be left to its new six? */
  private isDue(m: Manifest, change: MemberChange): boolean {
    const { pg, since } = change;
    return (
      isPast(m, since) &&
      newcomersOf(m, pg).every((name) => this.whole.get(pg)?.has(name) === true) &&
      m.streams.every((s) => s.state === "open" || this.isHeld(m, s.id, pg))
    );
  }

  private change(step: (m: Manifest) => Manifest | undefined, now: number): void {
    this.isWriting = true;
    this.register.change(
      (m) => (m === undefined ? undefined : step(m)),
      () => {
        this.isWriting = false;
      },
      now,
    );
  }
}

function newcomersOf(m: Manifest, pg: PgId): readonly NodeName[] {
  const to = changeOf(m, pg)?.to ?? [];
  return to.filter((name) => m.pgs[pg]?.includes(name) !== true);
}

function begin(
  m: Manifest,
  leaving: NodeName,
  candidates: readonly NodeName[],
): { readonly next: Manifest | undefined; readonly answer: ReplaceAnswer } {
  const refused = (why: string): { next: undefined; answer: ReplaceAnswer } => ({
    next: undefined,
    answer: { refused: why },
  });
  const zone = m.servers.find((s) => s.name === leaving)?.az;
  if (zone === undefined) return refused(`there is no segment server ${leaving}`);
  const kept = m.pgs.flatMap((members, pg) => (members.includes(leaving) ? [pgId(pg)] : []));
  if (kept.length === 0) return refused(`${leaving} keeps no segments`);
  if (kept.some((pg) => changeOf(m, pg) !== undefined))
    return refused(`segments of ${leaving} are being moved already`);
  if (!isPast(m, m.epoch)) return refused("the step before it is still under way");
  const steps = placeReplacements(m, leaving, candidates);
  if (steps.length < kept.length) {
    const pg = kept.find((one) => steps.every((step) => step.pg !== one))!;
    return refused(`zone ${zone} has no server without a segment of PG ${pg} to take it: start a spare one`);
  }
  return { next: beginChanges(m, steps), answer: { pgs: steps.map((step) => step.pg) } };
}
