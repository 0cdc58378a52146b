/**
 * The commands of scripts, carried out on a world (README.md lists them).
 *
 * After each command the world runs until nothing is under way but on held links; a command that ends in `&` only
 * makes its input, so that it and the next happen at one moment.
 */
import type { Conflicts, Mode } from "@sixfold/model";
import type { BeginOptions, ScriptClient, ScriptTransaction } from "./script-client.ts";
import { CATEGORIES } from "./show-message.ts";
import { showLog, showManifestOf, showPosition } from "./show-state.ts";
import { words } from "./script.ts";
import { SEGMENTS, SMALL_PGS, World } from "./world.ts";

type Command = (args: readonly string[]) => void;

export class Scenario {
  private current: World | undefined;
  private readonly commands: Readonly<Record<string, Command>> = {
    cluster: (args) => this.cluster(args),
    create: ([node, ...tables]) => tables.forEach((table) => this.client(node).createTable(table)),
    put: ([node, table, ...pairs]) => this.put(node, table, pairs),
    begin: ([name, node, ...options]) => void this.client(node).begin(name, this.beginOptions(options)),
    get: ([who, table, ...keys]) => this.get(who, table, keys, false),
    lock: ([who, table, ...keys]) => this.get(who, table, keys, true),
    write: ([tx, table, ...pairs]) => this.write(tx, table, pairs),
    delete: ([tx, table, key]) =>
      this.within(tx, (client, found) => client.write(found, table!, key!, undefined)),
    commit: ([tx]) => this.within(tx, (client, found) => client.commit(found)),
    rollback: ([tx]) => this.within(tx, (client, found) => client.rollback(found)),
    call: ([node, name, procedure, ...args]) =>
      void this.client(node).call(name, procedure!, args.map(valueIn)),
    outcome: ([node, tx]) => this.within(tx, (_, found) => this.client(node).outcome(found.id)),
    scan: ([who, table]) => this.scan(who, table),
    tick: ([ms]) => this.world.tick(Number(ms)),
    run: () => this.world.run(),
    hold: (args) => this.eachDirection(args, (from, to) => this.world.setHeld(from, to, true)),
    release: (args) => this.eachDirection(args, (from, to) => this.world.setHeld(from, to, false)),
    deliver: (args) => this.eachDirection(args, (from, to) => this.world.deliver(from, to)),
    cut: (args) => this.eachDirection(args, (from, to) => this.world.cut(from, to)),
    heal: (args) => this.eachDirection(args, (from, to) => this.world.heal(from, to)),
    crash: ([name, ...how]) => this.crash(name, how),
    restart: (names) => names.forEach((name) => this.world.restart(name)),
    holdsync: (names) => names.forEach((name) => (this.segment(name).disk.syncsByItself = false)),
    sync: (names) => names.forEach((name) => this.sync(name)),
    hide: (args) => this.categories(args, (type) => this.world.hidden.add(type)),
    unhide: (args) => this.categories(args, (type) => this.world.hidden.delete(type)),
    show: (args) => this.show(args),
  };

  /** The trace of these commands. */
  run(commands: readonly string[]): string[] {
    for (const command of commands) this.execute(command);
    return this.current?.trace.take() ?? [];
  }

  get world(): World {
    if (this.current === undefined) throw new Error("a script begins with `cluster`");
    return this.current;
  }

  private execute(line: string): void {
    if (line.startsWith("quietly "))
      return this.world.trace.quietly(() => this.execute(line.slice("quietly ".length)));
    const isLast = !line.endsWith("&");
    const [name, ...args] = words(isLast ? line : line.slice(0, -1));
    const command = this.commands[name!];
    if (command === undefined) throw new Error(`no command "${name}" (in "${line}")`);
    command(args);
    if (isLast) this.world.run();
  }

  // --- the cluster -----------------------------------------------------------------------------

  /** `cluster multi writers=2 replicas=1 conflicts=page pgs=small suspect=200` */
  private cluster([mode, ...options]: readonly string[]): void {
    const given = new Map(options.map((option) => option.split("=") as [string, string]));
    const lines = this.current?.trace.take() ?? [];
    const world = new World({
      mode: mode as Mode,
      writers: Number(given.get("writers") ?? 1),
      replicas: Number(given.get("replicas") ?? 0),
      conflicts: (given.get("conflicts") ?? "row") as Conflicts,
      suspectAfterMs: Number(given.get("suspect") ?? 3000),
      ...(given.get("pgs") === "small" ? { geometry: SMALL_PGS } : {}),
    });
    this.current = world;
    for (const line of lines) world.trace.reply(line);
    world.trace.quietly(() => world.boot());
    for (const node of world.nodes.values()) world.trace.say(showPosition(node));
  }

  private crash(name: string | undefined, how: readonly string[]): void {
    const power = how.includes("tearing")
      ? { tear: true }
      : how.includes("losing")
        ? { tear: false }
        : undefined;
    this.world.crash(name!, power);
    const client = this.world.clients.get(name!);
    if (client !== undefined && client.unanswered > 0) {
      this.world.trace.say(`${name} dies with ${client.unanswered} unanswered`);
      client.forget();
    }
  }

  private sync(name: string): void {
    const segment = this.segment(name);
    segment.disk.syncsByItself = true;
    segment.sync(this.world.now);
  }

  /** `a1 b2 -> writer-1`, `* <-> c1 c2`; `all` for every direction. */
  private eachDirection(args: readonly string[], act: (from: string, to: string) => void): void {
    const at = args.findIndex((word) => word === "->" || word === "<->");
    const left = this.names(at < 0 ? ["*"] : args.slice(0, at));
    const right = this.names(at < 0 ? ["*"] : args.slice(at + 1));
    const isBoth = at < 0 || args[at] === "<->";
    for (const from of left)
      for (const to of right) {
        if (from === to || this.world.links.direction(from, to) === undefined) continue;
        act(from, to);
        if (isBoth) act(to, from);
      }
  }

  private names(given: readonly string[]): string[] {
    const { nodes } = this.world;
    return given.flatMap((name) => {
      if (name === "*") return [...nodes.keys(), ...SEGMENTS];
      if (name === "segments") return [...SEGMENTS];
      if (name === "nodes") return [...nodes.keys()];
      if (!nodes.has(name) && !SEGMENTS.includes(name as never)) throw new Error(`no process "${name}"`);
      return [name];
    });
  }

  private categories(args: readonly string[], act: (type: string) => void): void {
    for (const name of args) {
      const types = CATEGORIES[name];
      if (types === undefined)
        throw new Error(`no category "${name}"; there are ${Object.keys(CATEGORIES).join(" ")}`);
      types.forEach(act);
    }
  }

  // --- clients ---------------------------------------------------------------------------------

  private put(node: string | undefined, table: string | undefined, pairs: readonly string[]): void {
    const client = this.client(node);
    const tx = client.begin(undefined);
    for (let i = 0; i + 1 < pairs.length; i += 2) client.write(tx, table!, pairs[i]!, valueIn(pairs[i + 1]!));
    client.commit(tx);
  }

  private get(
    who: string | undefined,
    table: string | undefined,
    keys: readonly string[],
    forUpdate: boolean,
  ): void {
    if (this.world.clients.has(who!)) this.client(who).get(undefined, table!, keys);
    else this.within(who, (client, tx) => client.get(tx, table!, keys, undefined, forUpdate));
  }

  private scan(who: string | undefined, table: string | undefined): void {
    if (this.world.clients.has(who!)) this.client(who).scan(undefined, table!);
    else this.within(who, (client, tx) => client.scan(tx, table!));
  }

  private write(name: string | undefined, table: string | undefined, pairs: readonly string[]): void {
    this.within(name, (client, tx) => {
      for (let i = 0; i + 1 < pairs.length; i += 2)
        client.write(tx, table!, pairs[i]!, valueIn(pairs[i + 1]!));
    });
  }

  /** `serializable`, `cluster`, `after=t1` (the session token of t1's commit). */
  private beginOptions(options: readonly string[]): BeginOptions {
    const after = options.find((option) => option.startsWith("after="))?.slice("after=".length);
    let session: Uint8Array | undefined;
    if (after !== undefined) this.within(after, (_, tx) => (session = tx.session));
    return {
      isolation: options.includes("serializable") ? "serializable" : "snapshot",
      consistency: options.includes("cluster") ? "cluster" : "session",
      ...(session === undefined ? {} : { session }),
    };
  }

  private within(name: string | undefined, act: (client: ScriptClient, tx: ScriptTransaction) => void): void {
    for (const client of this.world.clients.values()) {
      const tx = client.transactions.get(name!);
      if (tx !== undefined) return act(client, tx);
    }
    throw new Error(`no transaction "${name}"`);
  }

  private client(node: string | undefined): ScriptClient {
    const client = this.world.clients.get(node!);
    if (client === undefined) throw new Error(`no node "${node}"`);
    return client;
  }

  private segment(name: string | undefined): NonNullable<ReturnType<World["segments"]["get"]>> {
    const segment = this.world.segments.get(name!);
    if (segment === undefined) throw new Error(`no segment server "${name}"`);
    return segment;
  }

  // --- state -----------------------------------------------------------------------------------

  private show([what, ...args]: readonly string[]): void {
    const { world } = this;
    if (what === "log")
      for (const name of args) for (const line of showLog(this.segment(name))) world.trace.say(line);
    else if (what === "manifest") world.trace.say(showManifestOf(world));
    else if (what === "nodes") for (const node of world.nodes.values()) world.trace.say(showPosition(node));
    else throw new Error("show what? log, manifest or nodes");
  }
}

function valueIn(word: string): unknown {
  return /^-?\d+$/.test(word) ? Number(word) : word;
}
