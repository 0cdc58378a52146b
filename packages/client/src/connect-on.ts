/** `connect` on any ports. */
import { SixfoldError } from "@sixfold/model";
import { customRandom } from "nanoid";
import { ClientDatabase } from "./client-database.ts";
import type { ClientCore } from "./client-core.ts";
import { noScope, type ClientPorts } from "./client-ports.ts";
import { DeadlineSweep } from "./deadline-sweep.ts";
import { Guards } from "./guards.ts";
import { NodePool } from "./node-pool.ts";
import type { ConnectOptions, Database } from "./options.ts";
import type { AnyProcedures } from "./procedure.ts";
import { checkReadFrom } from "./serving.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** Dialling one node once. */
const DIAL_TIMEOUT_MS = 3000;
/** How long the slower nodes are waited for once one is up, so that the first transactions find all of them. */
const OTHERS_MS = 300;
const ATTEMPTS = 20;
const TIMEOUT_MS = 10_000;

/** 62^12 is about 2^71, and only ids made at about the same time have the same beginning: no two clients ever make the same one. */
const ID_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH = 12;

/** Resolves when a node is up; rejects with `unauthorized`, or with `unavailable` after `connectTimeoutMs`. */
export async function connectOn<P extends object = AnyProcedures>(
  ports: ClientPorts,
  urls: readonly string[],
  options: ConnectOptions = {},
): Promise<Database<P>> {
  for (const url of urls) checkUrl(url);
  checkReadFrom(options.readFrom);
  if (urls.length === 0)
    throw new SixfoldError("bad-request", "connect needs at least one address, such as ws://127.0.0.1:7400");
  const deadlines = new DeadlineSweep(ports.clock);
  const introduction = {
    name: options.name ?? "client",
    token: options.token ?? "",
    timeoutMs: DIAL_TIMEOUT_MS,
  };
  const wishes = { az: options.az, discover: options.discover ?? false };
  const needs = [options.readFrom ?? "any"] as const;
  const pool = new NodePool(ports, urls, introduction, deadlines, wishes, needs);
  const core: ClientCore = {
    clock: ports.clock,
    pool,
    guards: new Guards(deadlines),
    affinity: options.affinity,
    readFrom: options.readFrom,
    newId: customRandom(ID_ALPHABET, ID_LENGTH, (n) => ports.randomBytes(n)),
    jitter: () => (ports.randomBytes(1)[0] ?? 0) / 256,
    running: ports.scope ?? noScope,
    runsUnknownAgain: ports.planted?.has("unknown-run-again") === true,
    forgetsReads: ports.planted?.has("read-tokens-dropped") === true,
    isClosed: false,
  };
  const policy = {
    attempts: options.retry?.attempts ?? ATTEMPTS,
    timeoutMs: options.retry?.timeoutMs ?? TIMEOUT_MS,
    onRetry: options.onRetry,
    signal: undefined,
    rerunConflicts: true,
  };
  const database = new ClientDatabase<P>(core, { policy, retryCalls: options.retryCalls ?? true }, deadlines);
  try {
    await firstConnections(ports, pool, options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
  } catch (error) {
    await database.close();
    throw error;
  }
  return database;
}

function checkUrl(url: unknown): void {
  if (typeof url === "string" && /^wss?:\/\/[^/]/.test(url)) return;
  throw new SixfoldError(
    "bad-request",
    `not the address of a node, which looks like ws://127.0.0.1:7400: ${String(url)}`,
  );
}

function firstConnections(ports: ClientPorts, pool: NodePool, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let others = ports.clock.after(timeoutMs, () =>
      reject(new SixfoldError("unavailable", noNode(pool, timeoutMs))),
    );
    let isWaitingForOthers = false;
    const done = (): void => {
      others.cancel();
      pool.onSettled = () => undefined;
    };
    pool.onSettled = () => {
      if (pool.serves("any")) {
        if (pool.allSettled) {
          done();
          resolve();
        } else if (!isWaitingForOthers) {
          isWaitingForOthers = true;
          others.cancel();
          others = ports.clock.after(OTHERS_MS, () => {
            done();
            resolve();
          });
        }
      } else if (pool.allSettled && pool.refusals.every((r) => r.code === "unauthorized")) {
        done();
        reject(new SixfoldError("unauthorized", pool.refusals[0]?.reason ?? "the token is missing or wrong"));
      }
    };
    pool.dial();
  });
}

function noNode(pool: NodePool, timeoutMs: number): string {
  const reasons = [...new Set(pool.refusals.map((r) => r.reason))].join("; ");
  return `no node answered within ${timeoutMs} ms${reasons === "" ? "" : `: ${reasons}`}`;
}
