/**
 * The processes of a local cluster: started, supervised, ended.
 *
 * Each child's stdin is a pipe that nobody writes to: when this process dies, however it dies, the
 * children see its end and stop. Their logs go to `<data>/logs/<name>.log`.
 *
 * With a watch each child has an IPC channel, too, on which it says its protocol steps.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, openSync, closeSync } from "node:fs";
import path from "node:path";
import type { ClusterEvent } from "./cluster-api.ts";
import type { ProtocolWatch } from "./monitor/protocol-watch.ts";
import { sharedClock, type StepBatch } from "./monitor/step-reporter.ts";

const RESTART_AFTER_MS = 1000;
/** A process that does not end by itself in so long is killed. */
const STOP_LIMIT_MS = 8000;

export interface ProcessPlan {
  readonly name: string;
  /** Its command line, as it is when the process is started (again). */
  readonly args: () => readonly string[];
}

interface Supervised {
  readonly plan: ProcessPlan;
  child: ChildProcess | undefined;
  /** Resolves when the child is gone and all that it said is read. */
  ended: Promise<void>;
  /** It was told to end. */
  isEnding: boolean;
  /** It is not started again. */
  isDischarged: boolean;
  restartTimer: NodeJS.Timeout | undefined;
}

/** Signals that leave a process alive. */
const SURVIVED: ReadonlySet<NodeJS.Signals> = new Set(["SIGSTOP", "SIGCONT"]);

export class Processes {
  private readonly main: string;
  private readonly logDir: string;
  private readonly restart: boolean;
  private readonly environment: NodeJS.ProcessEnv;
  private readonly on: (event: ClusterEvent) => void;
  private readonly watch: ProtocolWatch | undefined;
  private readonly all = new Map<string, Supervised>();
  private stopping = false;

  constructor(options: {
    readonly main: string;
    readonly dataDir: string;
    readonly restart: boolean;
    readonly environment: NodeJS.ProcessEnv;
    readonly on: (event: ClusterEvent) => void;
    readonly watch: ProtocolWatch | undefined;
  }) {
    this.main = options.main;
    this.logDir = path.join(options.dataDir, "logs");
    this.restart = options.restart;
    this.environment = options.environment;
    this.on = options.on;
    this.watch = options.watch;
    mkdirSync(this.logDir, { recursive: true });
  }

  launch(plan: ProcessPlan): void {
    const supervised: Supervised = {
      plan,
      child: undefined,
      ended: Promise.resolve(),
      isEnding: false,
      isDischarged: false,
      restartTimer: undefined,
    };
    this.all.set(plan.name, supervised);
    this.spawn(supervised);
  }

  pid(name: string): number {
    return this.all.get(name)?.child?.pid ?? 0;
  }

  kill(name: string, signal: NodeJS.Signals): void {
    const supervised = this.named(name);
    supervised.child?.kill(signal);
    if (!SURVIVED.has(signal)) supervised.isEnding = true;
  }

  /** Starts a process that is not running, or that was told to end and has not yet. */
  async start(name: string): Promise<void> {
    const supervised = this.named(name);
    if (supervised.child !== undefined && supervised.isEnding) await supervised.ended;
    clearTimeout(supervised.restartTimer);
    if (supervised.child === undefined) this.spawn(supervised);
  }

  /** Ends these processes, all at once, and waits for them. */
  async stop(names: readonly string[]): Promise<void> {
    this.stopping = true;
    await Promise.all(names.map((name) => this.end(this.named(name))));
  }

  /**
   * Ends a process for good: asked by `ask`, which says whether it was heard, it is given time to end by itself. Resolves when it is gone.
   */
  async discharge(name: string, ask: () => Promise<boolean>): Promise<void> {
    const supervised = this.all.get(name);
    // It was never started.
    if (supervised === undefined) return;
    supervised.isDischarged = true;
    clearTimeout(supervised.restartTimer);
    if (supervised.child !== undefined && (await ask())) {
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_LIMIT_MS)));
      await Promise.race([supervised.ended, patience]);
      clearTimeout(timer);
    }
    await this.end(supervised);
    this.all.delete(name);
  }

  private named(name: string): Supervised {
    const supervised = this.all.get(name);
    if (supervised === undefined)
      throw new Error(`there is no process "${name}": ${[...this.all.keys()].join(", ")}`);
    return supervised;
  }

  private spawn(supervised: Supervised): void {
    const { name, args } = supervised.plan;
    const log = openSync(path.join(this.logDir, `${name}.log`), "a");
    const child = spawn(process.execPath, ["--enable-source-maps", this.main, ...args()], {
      stdio: this.watch === undefined ? ["pipe", log, log] : ["pipe", log, log, "ipc"],
      // Steps hold maps and infinite numbers, which JSON does not.
      serialization: "advanced",
      env: this.environment,
    });
    supervised.ended = this.heardToTheEnd(child, name);
    closeSync(log);
    child.stdin?.on("error", () => undefined); // the child is gone: its exit is told below
    supervised.child = child;
    supervised.isEnding = false;
    child.once("exit", (code, signal) => {
      supervised.child = undefined;
      if (this.stopping || supervised.isDischarged) return;
      this.on({ event: "exit", name, pid: child.pid ?? 0, code, signal });
      if (!this.restart) return;
      supervised.restartTimer = setTimeout(() => {
        if (this.stopping || supervised.child !== undefined) return;
        this.spawn(supervised);
        this.on({ event: "restart", name, pid: this.pid(name) });
      }, RESTART_AFTER_MS);
    });
  }

  /**
   * What a process had said is read when its channel ends, which may be before or after itself does. Only how it exits tells whether it
   * died: one that is being stopped may have been killed a moment before.
   */
  private async heardToTheEnd(child: ChildProcess, name: string): Promise<void> {
    const source = this.watch?.started(name);
    if (source !== undefined) child.on("message", (batch) => source.take(batch as StepBatch));
    const exited = new Promise<{ readonly at: number; readonly code: number | null }>((resolve) => {
      child.once("exit", (code) => resolve({ at: sharedClock(), code }));
    });
    const read = new Promise<void>((resolve) => {
      if (source === undefined) resolve();
      else child.once("disconnect", () => resolve());
    });
    const [{ at, code }] = await Promise.all([exited, read]);
    source?.end(at, code !== 0);
  }

  private async end(supervised: Supervised): Promise<void> {
    clearTimeout(supervised.restartTimer);
    const { child } = supervised;
    if (child !== undefined) {
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
      void supervised.ended.then(() => clearTimeout(timer));
      child.kill("SIGTERM");
      child.kill("SIGCONT"); // a stopped process could not hear the other
    }
    await supervised.ended;
  }
}
