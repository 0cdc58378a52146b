/** What the invariant tests do with a world: short words for clients' work, and waiting in virtual time. */
import type { ScriptTransaction } from "../scenario/script-client.ts";
import { valueOf } from "../scenario/script-client.ts";
import { World, type WorldOptions } from "../scenario/world.ts";

export type Rows = Readonly<Record<string, unknown>>;

/** A running cluster with one table, `accounts`, that holds these rows. */
export function start(options: WorldOptions, rows: Rows = {}): World {
  const world = new World(options);
  world.boot();
  world.clients.get("writer-1")!.createTable("accounts");
  world.run();
  if (Object.keys(rows).length > 0) put(world, "writer-1", rows);
  world.tick(50);
  return world;
}

/** One blind transaction; runs the world until it is quiet, which may be before the answer. */
export function put(world: World, node: string, rows: Rows, table = "accounts"): ScriptTransaction {
  const tx = begin(world, node, rows, table);
  world.clients.get(node)!.commit(tx);
  world.run();
  return tx;
}

export function begin(world: World, node: string, rows: Rows, table = "accounts"): ScriptTransaction {
  const client = world.clients.get(node)!;
  const tx = client.begin(undefined);
  for (const [key, value] of Object.entries(rows)) client.write(tx, table, key, value);
  return tx;
}

/** The rows as this node shows them now, or undefined if no answer comes within `ms` of virtual time. */
export function read(
  world: World,
  node: string,
  keys: readonly string[],
  ms = 100,
  table = "accounts",
): Rows | undefined {
  let rows: Rows | undefined;
  world.clients.get(node)!.get(undefined, table, keys, (heard) => {
    if (heard.kind === "done" && heard.result.op === "get")
      rows = Object.fromEntries(heard.result.values.map((value, i) => [keys[i]!, valueOf(value)]));
  });
  world.run();
  until(world, () => rows !== undefined, ms);
  return rows;
}

/** Lets virtual time pass until `isDone`, at most `ms`; says whether it came to that. */
export function until(world: World, isDone: () => boolean, ms: number): boolean {
  for (const end = world.now + ms; !isDone() && world.now < end;) world.tick(10);
  return isDone();
}

/** `put` that waits for its answer; true if it was "committed". */
export function putAndWait(world: World, node: string, rows: Rows, ms = 2000, table = "accounts"): boolean {
  const tx = put(world, node, rows, table);
  until(world, () => tx.end.kind !== "waiting", ms);
  return tx.isCommitted;
}

export function hold(world: World, from: readonly string[], to: readonly string[], isHeld = true): void {
  for (const a of from) for (const b of to) if (a !== b) world.setHeld(a, b, isHeld);
}

/** What goes either way between them is held back. */
export function part(world: World, some: readonly string[], others: readonly string[], held = true): void {
  hold(world, some, others, held);
  hold(world, others, some, held);
}

/** No message passes between these and anybody else, nor is any lost. */
export function silence(world: World, names: readonly string[], isSilent = true): void {
  for (const name of names) part(world, [name], world.others(name), isSilent);
}

export function stateOf(world: World, node: string): string {
  return String(world.nodes.get(node)!.machine!.status()["state"]);
}
