/**
 * A courier on a thread of its own (courier-thread.ts), started with the first question and ended when nothing was asked for a while. Pages come in a room
 * (rooms.ts), which the thread has back when they are stored; without one in memory that changes hands with the message that tells of them, which is no copy, and is
 * freed when they are stored: this thread's collector is not called for memory that it was told of and has lost again.
 *
 * A thread that ends, for whatever reason, has failed to answer what it was asked; the next question starts another.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import { pageId, type NodeName } from "@sixfold/model";
import type { PulledPages, PullPages } from "@sixfold/wire";
import type { Identity } from "./channel.ts";
import type { Courier, CourierEvents, CourierOptions, Source } from "./courier.ts";
import type { LivenessSettings } from "./heartbeats.ts";
import type { Journal, Level } from "./journal.ts";

export interface CourierData {
  readonly identity: Identity;
  readonly liveness: Partial<LivenessSettings> | undefined;
}

export type CourierOrder =
  | { readonly kind: "ask"; readonly source: Source; readonly question: PullPages }
  | { readonly kind: "forget"; readonly peer: NodeName; readonly request: number }
  | { readonly kind: "giveBack"; readonly room: SharedArrayBuffer };

export type CourierReport =
  /** An answer whose pages are views of a frame: as numbers, id and place and length of each, for a hundred objects take longer on their way. */
  | {
      readonly kind: "brought";
      readonly peer: NodeName;
      readonly answer: Omit<PulledPages, "pages">;
      readonly places: Float64Array;
      readonly frame: Uint8Array;
    }
  | {
      readonly kind: "failed";
      readonly peer: NodeName;
      readonly questions: readonly PullPages[];
      readonly reason: string;
    }
  /** `asked`: questions that it has had; one more may be on its way. */
  | { readonly kind: "idle"; readonly asked: number }
  | {
      readonly kind: "said";
      readonly level: Level;
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** What is sent here is freed at once: this thread has lost it, and nobody gets it. */
const NOWHERE = new MessageChannel().port1;
NOWHERE.close();

const IS_SOURCE = import.meta.url.endsWith(".ts");
const THREAD = new URL(IS_SOURCE ? "./courier-thread.ts" : "./courier-thread.js", import.meta.url);
/** Of its heap; what it receives is not in it. */
const HEAP_MIB = 64;
const YOUNG_MIB = 4;

export class ThreadCourier implements Courier {
  private readonly data: CourierData;
  private readonly journal: Journal;
  private readonly events: CourierEvents;
  private worker: Worker | undefined;
  private readonly asked = new Map<NodeName, PullPages[]>();
  /** Questions that the thread was given. */
  private given = 0;

  private readonly thread: (data: CourierData) => Worker;

  /** `thread`: another than its own, for tests of what becomes of one that ends. */
  constructor(
    { identity, liveness, journal }: CourierOptions,
    events: CourierEvents,
    thread: (data: CourierData) => Worker = startThread,
  ) {
    this.data = { identity, liveness };
    this.thread = thread;
    this.journal = journal;
    this.events = events;
  }

  ask(source: Source, question: PullPages): void {
    const asked = this.asked.get(source.name);
    if (asked === undefined) this.asked.set(source.name, [question]);
    else asked.push(question);
    this.worker ??= this.start();
    this.given += 1;
    this.worker.postMessage({ kind: "ask", source, question } satisfies CourierOrder);
  }

  forget(peer: NodeName, request: number): void {
    if (this.answered(peer, request))
      this.worker?.postMessage({ kind: "forget", peer, request } satisfies CourierOrder);
  }

  giveBack(memory: ArrayBufferLike): void {
    if (memory instanceof SharedArrayBuffer)
      this.worker?.postMessage({ kind: "giveBack", room: memory } satisfies CourierOrder);
    else NOWHERE.postMessage(undefined, [memory]);
  }

  stop(): void {
    const { worker } = this;
    this.worker = undefined;
    this.asked.clear();
    void worker?.terminate();
  }

  private start(): Worker {
    const worker = this.thread(this.data);
    this.given = 0;
    let reason = "its thread has ended";
    worker.on("message", (report: CourierReport) => {
      if (this.worker === worker) this.take(report);
    });
    worker.on("error", (error) => (reason = error.message));
    worker.on("exit", () => {
      if (this.worker === worker) this.ended(reason);
    });
    worker.unref();
    return worker;
  }

  private take(report: CourierReport): void {
    switch (report.kind) {
      case "brought":
        if (!this.answered(report.peer, report.answer.request)) return this.giveBack(report.frame.buffer);
        return this.events.brought(report.peer, { ...report.answer, pages: pagesIn(report) }, report.frame);
      case "failed":
        for (const { request } of report.questions) this.answered(report.peer, request);
        return this.events.failed(report.peer, report.questions, report.reason);
      case "said":
        this.journal.count(report.event);
        return this.journal.say(report.level, report.event, report.fields);
      case "idle":
        if (report.asked === this.given) this.stop();
    }
  }

  /** Was it still to be answered? */
  private answered(peer: NodeName, request: number): boolean {
    const asked = this.asked.get(peer) ?? [];
    const at = asked.findIndex((question) => question.request === request);
    if (at !== -1) asked.splice(at, 1);
    return at !== -1;
  }

  private ended(reason: string): void {
    this.worker = undefined;
    this.journal.say("warn", "courier-ended", { reason });
    const asked = [...this.asked];
    this.asked.clear();
    for (const [peer, questions] of asked)
      if (questions.length > 0) this.events.failed(peer, questions, reason);
  }
}

export const startThread = (workerData: CourierData): Worker =>
  new Worker(IS_SOURCE ? fromSource() : THREAD, {
    workerData,
    ...(IS_SOURCE ? { eval: true, execArgv: ["--conditions=source"] } : {}),
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: YOUNG_MIB },
  });

/** What loads this as source, a test or tsx, does so on its own thread only; of tsx a thread can use the module form. */
function fromSource(): string {
  const tsx = createRequire(import.meta.url)
    .resolve("tsx/esm/api")
    .replace(/cjs$/, "mjs");
  return `import("${pathToFileURL(tsx).href}").then(({ register }) => (register(), import("${THREAD.href}")))`;
}

/** The other way round. */
export function placesOf(pages: PulledPages["pages"], frame: Uint8Array): Float64Array {
  const places = new Float64Array(3 * pages.length);
  for (const [n, { page, stored }] of pages.entries())
    places.set([page, stored.byteOffset - frame.byteOffset, stored.length], 3 * n);
  return places;
}

function pagesIn({
  places,
  frame,
}: {
  readonly places: Float64Array;
  readonly frame: Uint8Array;
}): PulledPages["pages"] {
  const pages = [];
  for (let n = 0; n < places.length; n += 3) {
    const at = places[n + 1]!;
    pages.push({ page: pageId(places[n]!), stored: frame.subarray(at, at + places[n + 2]!) });
  }
  return pages;
}
