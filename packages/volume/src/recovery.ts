/**
 * Recovery of one stream whose writer is suspected (DESIGN section 7). The writer may be alive, and
 * several nodes may recover the same stream: the fence stops the first, the manifest's
 * compare-and-set arbitrates between the others (I6).
 *
 *     reading ──> fencing ──> judging ──> writing ──> done
 *        ^           │ four of six in every PG  │
 *        └───────────┴──── manifest changed ────┘      starts over: answers given before that
 *                                                      may miss facts that left the manifest since
 *
 * What it judges by is a manifest that stood before the first answer and stands at the compare-and-set. The one that this node learned
 * last will do, however old: if it does not stand any more the compare-and-set says so, and what does. But if its members are no more
 * those of their PGs, it might never come so far: it starts over when this node learns of that.
 *
 * A committed rival of an entry may be known only where the entry itself never came (I3). So a segment that lacks an entry which
 * another one has undecided is asked again, for what is committed on its pages; only then does its answer count.
 *
 * While a PG changes its members four of each set are fenced.
 *
 * Works with at most two segments of a PG out of reach (I7); with more it waits for them.
 */
import {
  FENCE_QUORUM,
  pgId,
  setsOf,
  streamState,
  type ClosedStream,
  type Lsn,
  type Manifest,
  type NodeName,
  type PgId,
  type PlantedBugs,
  type StreamId,
} from "@sixfold/model";
import type { Fenced } from "@sixfold/wire";
import { FencedGroup } from "./fenced-group.ts";
import { sortOutcomes } from "./manifest-commit.ts";
import type { ManifestRegister } from "./manifest-register.ts";
import type { Outbox } from "./outbox.ts";
import { judge, type Judgement } from "./recovery-rules.ts";
import type { VolumeSettings } from "./settings.ts";

type State =
  | { readonly kind: "reading" }
  | {
      readonly kind: "fencing";
      readonly manifest: Manifest;
      readonly firstRequest: number;
      readonly pgs: ReadonlyMap<PgId, FencedGroup>;
      askedAt: number;
    }
  | { readonly kind: "writing" }
  | { readonly kind: "done" };

export class Recovery {
  readonly stream: StreamId;
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly register: ManifestRegister;
  private readonly planted: PlantedBugs;
  private readonly also: ((closed: Manifest) => Manifest) | undefined;
  private readonly done: (final: Lsn | undefined, now: number) => void;
  private state: State = { kind: "reading" };
  rounds = 0;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly stream: StreamId;
    /** What else is to be changed together with the close. */
    readonly also: ((closed: Manifest) => Manifest) | undefined;
    /** Undefined: there is no such stream. */
    readonly done: (final: Lsn | undefined, now: number) => void;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.stream = o.stream;
    this.also = o.also;
    this.done = o.done;
    this.planted = o.planted;
  }

  /** `known`: a manifest that stood once. If it still does at the end it has all the time, and a read is spared. */
  start(known: Manifest | undefined, now: number): void {
    this.rounds++;
    this.state = { kind: "reading" };
    if (known !== undefined && streamState(known, this.stream)?.state === "open") this.readDone(known, now);
    else this.register.read(({ manifest }, at) => this.readDone(manifest, at), now);
  }

  serverUp(server: NodeName): void {
    if (this.state.kind === "fencing") this.fence(this.state, server);
  }

  /** Whoever has left a PG since answers no more; what others have answered would be of no use. */
  learnManifest(manifest: Manifest, now: number): void {
    const { state } = this;
    if (state.kind !== "fencing") return;
    const isOpen = streamState(manifest, this.stream)?.state === "open";
    const pgs = [...state.pgs.values()];
    const hasSameSets =
      manifest.pgs.length === pgs.length && pgs.every((group) => group.isOf(setsOf(manifest, group.pg)));
    if (!isOpen || !hasSameSets) this.start(manifest, now);
  }

  onFenced(from: NodeName, m: Fenced, now: number): void {
    const state = this.state;
    if (state.kind !== "fencing" || m.stream !== this.stream || m.request < state.firstRequest) return;
    const group = state.pgs.get(m.pg);
    if (group?.isMember(from) !== true) return;
    group.heard(from, m);
    const enough = this.planted.has("fence-of-three") ? FENCE_QUORUM - 1 : FENCE_QUORUM;
    if (group.isHeard(enough) && !group.isFenced(enough)) this.ask(group, group.outdated());
    const answers = new Map<PgId, ReadonlyMap<NodeName, Fenced>>();
    for (const [pg, other] of state.pgs) {
      if (!other.isFenced(enough)) return;
      answers.set(pg, other.whole);
    }
    this.judgeAndWrite(state.manifest, answers, now);
  }

  tick(now: number): void {
    const state = this.state;
    if (state.kind !== "fencing" || now - state.askedAt < this.settings.askAgainMs) return;
    state.askedAt = now;
    this.fence(state);
  }

  private readDone(manifest: Manifest | undefined, now: number): void {
    const known = manifest === undefined ? undefined : streamState(manifest, this.stream);
    if (known === undefined || known.state === "closed") return this.finish(known?.final, now);
    const asksForRivals = !known.exclusive && !this.planted.has("rivals-elsewhere-unasked");
    const pgs = new Map<PgId, FencedGroup>();
    manifest!.pgs.forEach((_, index) => {
      const pg = pgId(index);
      pgs.set(pg, new FencedGroup(pg, setsOf(manifest!, pg), asksForRivals));
    });
    this.state = {
      kind: "fencing",
      manifest: manifest!,
      firstRequest: this.out.nextRequest(),
      pgs,
      askedAt: now,
    };
    this.fence(this.state);
    // A volume without a PG has no entries either.
    if (pgs.size === 0) this.judgeAndWrite(manifest!, new Map(), now);
  }

  private fence({ pgs }: Extract<State, { kind: "fencing" }>, only?: NodeName): void {
    for (const group of pgs.values()) {
      const missing = group.missing();
      this.ask(group, only === undefined ? missing : missing.filter((member) => member === only));
    }
  }

  private ask(group: FencedGroup, members: readonly NodeName[]): void {
    for (const member of members) {
      const request = this.out.nextRequest();
      group.asked(member, request);
      const { pg, uses } = group;
      this.out.send(member, { type: "fence", request, pg, stream: this.stream, uses });
    }
  }

  private judgeAndWrite(
    read: Manifest,
    answers: ReadonlyMap<PgId, ReadonlyMap<NodeName, Fenced>>,
    now: number,
  ): void {
    const open = streamState(read, this.stream)!;
    const judgement = judge(this.stream, open.exclusive, read, answers, this.planted);
    this.state = { kind: "writing" };
    this.register.change(
      (m) => {
        if (m === undefined || streamState(m, this.stream)?.state !== "open") return undefined;
        const changed = m.revision !== read.revision;
        if (changed && !this.planted.has("recovery-without-compare-and-set")) return undefined;
        const closed = closeStream(m, this.stream, judgement);
        return this.also?.(closed) ?? closed;
      },
      ({ manifest }, at) => {
        const state = manifest === undefined ? undefined : streamState(manifest, this.stream);
        if (state === undefined || state.state === "closed") this.finish(state?.final, at);
        else this.start(manifest, at);
      },
      now,
    );
  }

  private finish(final: Lsn | undefined, now: number): void {
    this.state = { kind: "done" };
    this.done(final, now);
  }
}

/** The manifest with this open stream closed, and with these outcomes in place of those that stood there for it. */
export function closeStream(m: Manifest, stream: StreamId, judgement: Judgement): Manifest {
  const streams = m.streams.map((s): Manifest["streams"][number] => {
    if (s.id !== stream) return s;
    const closed: ClosedStream = {
      state: "closed",
      id: s.id,
      node: s.node,
      exclusive: s.exclusive,
      final: judgement.final,
      tails: judgement.tails,
    };
    return closed;
  });
  const outcomes = sortOutcomes([...m.outcomes.filter((o) => o.stream !== stream), ...judgement.outcomes]);
  return { ...m, streams, outcomes };
}
