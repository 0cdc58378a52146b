/**
 * Takes a volume from one membership to the next (DESIGN section 7, "Membership"; rules and sets: `@sixfold/model`, membership).
 *
 *     replace ──> both sets ──> newcomers copy ──> they have everything ──> all writers past it ──> new six
 *                    │          (asked here)       (four of the new six      (each says so by
 *                    │                              all that is closed)       its stream's epoch)
 *                    └──> given up ─────────────────────────────────────────> all writers past it ──> old six
 *
 * A server that keeps nothing any more gives up its seat, too. One that is silent for a set time is replaced unasked, if another can take
 * what it keeps.
 *
 * Every writer says how far it is, by a change of its own stream in the manifest; the writer of the oldest open stream takes the steps.
 * Should it die meanwhile, the next one finds all it must know in the manifest.
 */
import {
  beginChanges,
  changeOf,
  endChanges,
  endMove,
  isPast,
  membersOf,
  moveSeats,
  openStreams,
  pgId,
  placeReplacements,
  segmentsPerServer,
  type Epoch,
  type Manifest,
  type MemberChange,
  type NodeName,
  type PgId,
  type SegmentServerInfo,
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
  private readonly servers: readonly SegmentServerInfo[];
  /** Servers without a link, since when. */
  private readonly silentSince = new Map<NodeName, number>();
  private askedAt = 0;
  private isWriting = false;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    /** Those that this node was configured with: spare ones may be new to the volume. */
    readonly servers: readonly SegmentServerInfo[];
    readonly isHeld: (m: Manifest, stream: StreamId, pg: PgId) => boolean;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.servers = o.servers;
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
    // Each PG's end waits for others', for it is a change of the manifest; the last one's for nothing.
    if (m.changes.every((c) => this.isWhole(m, c))) this.askedAt = Number.NEGATIVE_INFINITY;
  }

  tick(own: OwnEpoch | undefined, now: number): void {
    const m = this.manifest;
    if (m === undefined || own === undefined || this.isWriting) return;
    const streams = openStreams(m);
    const mine = streams.find((s) => s.id === own.stream);
    if (mine !== undefined && mine.epoch < m.epoch && own.isPast(m.epoch)) this.sayPast(own, now);
    else if (streams[0]?.id === own.stream) this.lead(m, now);
  }

  serverUp(server: NodeName): void {
    this.silentSince.delete(server);
  }

  /** Begins to replace what `leaving` keeps, by servers of its zone: all of them that it may be, or those of `candidates`. */
  replace(
    leaving: NodeName,
    candidates: readonly NodeName[] | undefined,
    done: (answer: ReplaceAnswer) => void,
    now: number,
  ): void {
    let answer: ReplaceAnswer = { refused: "the volume does not exist" };
    let proposed: Begun | undefined;
    this.register.change(
      (m) => {
        if (m === undefined) return undefined;
        const begun = begin(m, leaving, candidates ?? this.upServers(m));
        answer = begun.answer;
        if (begun.next !== undefined) proposed = begun;
        return begun.next;
      },
      ({ manifest }) => {
        // A round that was thought lost may have been chosen: then a later one finds its own work in the way.
        const stands = manifest !== undefined && proposed?.steps.every((step) => isTaken(manifest, step));
        done(stands === true ? proposed!.answer : answer);
      },
      now,
    );
  }

  /** Per server, its segments and those it is on the way to keep or to leave; and whether it holds the manifest. */
  status(): Readonly<Record<string, unknown>> {
    const m = this.manifest;
    if (m === undefined) return {};
    const of = (name: NodeName): Record<string, unknown> => ({
      segments: m.pgs.filter((members) => members.includes(name)).length,
      joining: m.changes.filter((c) => newcomersOf(m, c.pg).includes(name)).length,
      leaving: m.changes.filter((c) => m.pgs[c.pg]!.includes(name) && !c.to.includes(name)).length,
      seat: m.seats.includes(name),
    });
    return Object.fromEntries(m.servers.map(({ name }) => [name, of(name)]));
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

  /** One step at a time, the first that is due. */
  private lead(m: Manifest, now: number): void {
    if (now - this.askedAt < this.settings.askAgainMs) return;
    this.askedAt = now;
    for (const { name } of m.servers)
      if (!this.out.isUp(name) && !this.silentSince.has(name)) this.silentSince.set(name, now);
    if (this.servers.some((s) => !isKnown(m, s.name))) return this.addServers(now);
    if (m.changes.length > 0) return this.goOn(m, now);
    if (m.nextSeats.length > 0)
      return this.change((x) => (x.nextSeats.length === 0 ? undefined : endMove(x)), now);
    const seats = this.seatsToBe(m);
    if (seats !== undefined)
      return this.change(
        (x) => (x.nextSeats.length > 0 || x.revision !== m.revision ? undefined : moveSeats(x, seats)),
        now,
      );
    const lost = m.servers.find((s) => this.isLost(s.name, now) && keeps(m, s.name));
    if (lost !== undefined && this.mayReplace(m, lost.name)) this.replaceLost(lost.name, now);
  }

  private addServers(now: number): void {
    this.change((m) => {
      const fresh = this.servers.filter((s) => !isKnown(m, s.name));
      return fresh.length === 0 ? undefined : { ...m, servers: [...m.servers, ...fresh] };
    }, now);
  }

  /** A seat goes along when its server keeps nothing any more, to one of its zone that keeps most. */
  private seatsToBe(m: Manifest): readonly NodeName[] | undefined {
    const kept = segmentsPerServer(m);
    for (const seat of m.seats) {
      if (kept.get(seat) !== 0) continue;
      const az = m.servers.find((s) => s.name === seat)?.az;
      const to = m.servers
        .filter(
          (s) => s.az === az && !m.seats.includes(s.name) && kept.get(s.name)! > 0 && this.out.isUp(s.name),
        )
        .sort((a, b) => kept.get(b.name)! - kept.get(a.name)!)[0];
      if (to !== undefined) return m.seats.map((name) => (name === seat ? to.name : name));
    }
    return undefined;
  }

  private isLost(server: NodeName, now: number): boolean {
    const since = this.silentSince.get(server);
    return since !== undefined && now - since >= this.settings.replaceAfterMs;
  }

  private mayReplace(m: Manifest, server: NodeName): boolean {
    return begin(m, server, this.upServers(m)).next !== undefined;
  }

  private replaceLost(server: NodeName, now: number): void {
    this.out.log("warn", "server-replaced-unasked", { server, silentMs: this.settings.replaceAfterMs });
    this.replace(server, undefined, () => {}, now);
  }

  private upServers(m: Manifest): NodeName[] {
    return m.servers.map((s) => s.name).filter((name) => this.out.isUp(name));
  }

  /** Newcomers are asked how far they are, and PGs left to their new six; or to the old, where a newcomer is lost. */
  private goOn(m: Manifest, now: number): void {
    for (const { pg } of m.changes)
      for (const name of newcomersOf(m, pg))
        if (this.whole.get(pg)?.has(name) !== true)
          this.out.send(name, { type: "askCopied", request: this.out.nextRequest(), pg });
    if (m.changes.some((c) => this.isDue(m, c))) this.end("finished", (x, c) => this.isDue(x, c), now);
    else if (m.changes.some((c) => this.isVain(m, c, now)))
      this.end("taken-back", (x, c) => this.isVain(x, c, now), now);
  }

  private end(
    outcome: "finished" | "taken-back",
    isDue: (m: Manifest, change: MemberChange) => boolean,
    now: number,
  ): void {
    this.change((m) => {
      const due = m.changes.filter((c) => isDue(m, c)).map((c) => c.pg);
      if (due.length === 0) return undefined;
      this.out.log("info", "members-changed", { pgs: due.length, outcome });
      return endChanges(m, due, outcome);
    }, now);
  }

  /** A newcomer is lost before it had everything. */
  private isVain(m: Manifest, { pg, since }: MemberChange, now: number): boolean {
    return isPast(m, since) && newcomersOf(m, pg).some((name) => this.isLost(name, now));
  }

  /** Have its newcomers everything? */
  private isWhole(m: Manifest, { pg }: MemberChange): boolean {
    return newcomersOf(m, pg).every((name) => this.whole.get(pg)?.has(name) === true);
  }

  /** May this PG be left to its new six? */
  private isDue(m: Manifest, change: MemberChange): boolean {
    const { pg, since } = change;
    return (
      isPast(m, since) &&
      this.isWhole(m, change) &&
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

const isKnown = (m: Manifest, server: NodeName): boolean => m.servers.some((s) => s.name === server);

const keeps = (m: Manifest, server: NodeName): boolean => m.pgs.some((members) => members.includes(server));

function newcomersOf(m: Manifest, pg: PgId): readonly NodeName[] {
  const to = changeOf(m, pg)?.to ?? [];
  return to.filter((name) => m.pgs[pg]?.includes(name) !== true);
}

interface Begun {
  /** Undefined: refused. */
  readonly next: Manifest | undefined;
  readonly steps: readonly { readonly pg: PgId; readonly joining: NodeName }[];
  readonly answer: ReplaceAnswer;
}

function begin(m: Manifest, leaving: NodeName, candidates: readonly NodeName[]): Begun {
  const refused = (why: string): Begun => ({ next: undefined, steps: [], answer: { refused: why } });
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
  return { next: beginChanges(m, steps), steps, answer: { pgs: steps.map((step) => step.pg) } };
}

/** The newcomer is on its way into the PG, or in it. */
const isTaken = (m: Manifest, { pg, joining }: Begun["steps"][number]): boolean =>
  membersOf(m, pg).includes(joining);
