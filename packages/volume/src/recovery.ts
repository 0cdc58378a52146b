/**
 * Recovery of one stream whose writer is suspected (DESIGN section 7). The writer may be alive, and
 * several nodes may recover the same stream: the fence stops the first, the manifest's
 * compare-and-set arbitrates between the others (I6).
 *
 *     reading ──> fencing ──> judging ──> writing ──> done
 *        ^           │ four of six in every PG  │
 *        └───────────┴──── manifest changed ────┘      starts over: answers given before the read
 *                                                      may miss facts that left the manifest since
 *
 * Works with at most two segments of a PG out of reach (I7); with more it waits for them.
 */
import {
  FENCE_QUORUM,
  pgId,
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
      readonly answers: Map<PgId, Map<NodeName, Fenced>>;
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
  private readonly done: (final: Lsn | undefined, now: number) => void;
  private state: State = { kind: "reading" };
  rounds = 0;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly register: ManifestRegister;
    readonly stream: StreamId;
    /** Undefined: there is no such stream. */
    readonly done: (final: Lsn | undefined, now: number) => void;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.register = o.register;
    this.stream = o.stream;
    this.done = o.done;
    this.planted = o.planted;
  }

  start(now: number): void {
    this.rounds++;
    this.state = { kind: "reading" };
    this.register.read(({ manifest }, at) => this.readDone(manifest, at), now);
  }

  serverUp(server: NodeName): void {
    if (this.state.kind === "fencing") this.fence(this.state.manifest, this.state.answers, server);
  }

  onFenced(from: NodeName, m: Fenced, now: number): void {
    const state = this.state;
    if (state.kind !== "fencing" || m.stream !== this.stream || m.request < state.firstRequest) return;
    if (state.manifest.pgs[m.pg]?.includes(from) !== true) return;
    state.answers.get(m.pg)!.set(from, m);
    const enough = this.planted.has("fence-of-three") ? FENCE_QUORUM - 1 : FENCE_QUORUM;
    for (const answers of state.answers.values()) if (answers.size < enough) return;
    this.judgeAndWrite(state.manifest, state.answers, now);
  }

  tick(now: number): void {
    const state = this.state;
    if (state.kind !== "fencing" || now - state.askedAt < this.settings.askAgainMs) return;
    state.askedAt = now;
    this.fence(state.manifest, state.answers);
  }

  private readDone(manifest: Manifest | undefined, now: number): void {
    const known = manifest === undefined ? undefined : streamState(manifest, this.stream);
    if (known === undefined || known.state === "closed") return this.finish(known?.final, now);
    const answers = new Map<PgId, Map<NodeName, Fenced>>();
    manifest!.pgs.forEach((_, pg) => answers.set(pgId(pg), new Map()));
    this.state = {
      kind: "fencing",
      manifest: manifest!,
      firstRequest: this.out.nextRequest(),
      answers,
      askedAt: now,
    };
    this.fence(manifest!, answers);
    // A volume without a PG has no entries either.
    if (answers.size === 0) this.judgeAndWrite(manifest!, answers, now);
  }

  private fence(
    manifest: Manifest,
    answers: ReadonlyMap<PgId, ReadonlyMap<NodeName, Fenced>>,
    only?: NodeName,
  ): void {
    for (const [pg, answered] of answers)
      for (const member of manifest.pgs[pg]!)
        if (!answered.has(member) && (only === undefined || only === member))
          this.out.send(member, { type: "fence", request: this.out.nextRequest(), pg, stream: this.stream });
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
        return closeStream(m, this.stream, judgement);
      },
      ({ manifest }, at) => {
        const state = manifest === undefined ? undefined : streamState(manifest, this.stream);
        if (state === undefined || state.state === "closed") this.finish(state?.final, at);
        else this.start(at);
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
