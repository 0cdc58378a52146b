/**
 * One Sixfold process: `segment` or `node`.
 *
 * Ends cleanly on SIGTERM, and on SIGINT; when supervised, on the end of stdin, so that a cluster's processes never outlive
 * the one that started them, and not on SIGINT: a terminal's Ctrl-C comes to all of them at once, and writers must close
 * their streams before segment servers end.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import {
  DEFAULT_LIVENESS,
  DEFAULT_POOL_PAGES,
  latencyBetween,
  loadProcedures,
  reportToSupervisor,
  startNodeHost,
  startSegmentHost,
  ThreadCourier,
  type LivenessSettings,
  type StepReporter,
} from "@sixfold/cluster";
import {
  DEFAULT_PAGE_BYTES,
  DEFAULT_SEGMENT_BYTES,
  nodeName,
  type Conflicts,
  type Mode,
  type Role,
} from "@sixfold/model";
import { boundHeapGrowth, NodeHost } from "@sixfold/node-ports";
import { address, nodeList, serverList, type Address, type Named } from "./arguments.ts";
import { makeJournal } from "./logging.ts";

interface Running {
  readonly url: string;
  stop(): Promise<void>;
  /** Settled when it has ended; absent: only when it is asked to. */
  readonly ended?: Promise<void>;
}

interface Common extends LivenessSettings {
  readonly name: string;
  readonly az: string;
  readonly listen: Address;
  readonly volume: string;
  readonly token: string;
  readonly azLatencyMs: number;
  readonly supervised: boolean;
  readonly monitor: boolean;
}

interface SegmentFlags extends Common {
  readonly data: string;
  readonly peers: readonly Named[];
}

interface NodeFlags extends Common {
  readonly role: Role;
  readonly mode: Mode;
  readonly segments: readonly Named[];
  readonly nodes: readonly Named[];
  readonly conflicts: Conflicts;
  readonly injectConflicts: number;
  readonly pageBytes: number;
  readonly segmentBytes: number;
  readonly poolPages: number;
  readonly suspectAfterMs?: number;
  readonly endedAfterMs?: number;
  readonly procedures?: string;
}

const program = new Command("sixfold-server")
  .description("One Sixfold process: a segment server or a database node.")
  .showHelpAfterError("(--help shows the right form)")
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

common(
  program.command("segment").description("A segment server: hosts one replica of each protection group."),
)
  .requiredOption("--data <dir>", "where its log and pages live")
  .requiredOption(
    "--peers <list>",
    "the segment servers: name@az=url,…; those that are added later are learned",
    serverList,
  )
  .action((flags: SegmentFlags) => run(flags, (reporter) => segment(flags, reporter)));

common(program.command("node").description("A database node: writer or read replica."))
  .requiredOption("--segments <list>", "the segment servers: name@az=url,…", serverList)
  .requiredOption(
    "--nodes <list>",
    "database nodes, this one included: name@az=url,… (/replica after the zone for replicas); the manifest lists the others",
    nodeList,
  )
  .addOption(new Option("--role <role>").choices(["writer", "replica"]).default("writer"))
  .addOption(new Option("--mode <mode>", "of a new volume").choices(["single", "multi"]).default("multi"))
  .addOption(
    new Option("--conflicts <kind>", "what a lost page race means to clients")
      .choices(["row", "page"])
      .default("row"),
  )
  .option(
    "--inject-conflicts <p>",
    "probability that an entry's first attempt loses a page race",
    probability,
    0,
  )
  .option("--page-bytes <n>", "of a new volume", integer, DEFAULT_PAGE_BYTES)
  .option("--segment-bytes <n>", "size of a protection group of a new volume", integer, DEFAULT_SEGMENT_BYTES)
  .option("--pool-pages <n>", "pages in the buffer pool", integer, DEFAULT_POOL_PAGES)
  .option("--suspect-after-ms <n>", "a writer that is silent for so long is recovered (3000)", integer)
  .option("--ended-after-ms <n>", "the same of one whose links have ended (300)", integer)
  .option("--procedures <module>", "a module whose exported functions clients can call")
  .action((flags: NodeFlags) => run(flags, (reporter) => databaseNode(flags, reporter)));

await program.parseAsync();

function common(command: Command): Command {
  return command
    .requiredOption("--name <name>", "unique in the cluster")
    .option("--az <zone>", "availability zone", "a")
    .requiredOption("--listen <host:port>", "where it listens", address)
    .option("--volume <name>", "the volume it serves", "volume")
    .addOption(new Option("--token <token>", "shared secret of the cluster").env("SIXFOLD_TOKEN").default(""))
    .option("--az-latency-ms <n>", "added one-way delay to other zones", integer, 0)
    .option("--heartbeat-ms <n>", "how often it says that it lives", integer, DEFAULT_LIVENESS.heartbeatMs)
    .option("--dead-after-ms <n>", "a silent process is given up", integer, DEFAULT_LIVENESS.deadAfterMs)
    .option("--client-heartbeat-ms <n>", "the same to clients", integer, DEFAULT_LIVENESS.clientHeartbeatMs)
    .option("--client-dead-after-ms <n>", "and of clients", integer, DEFAULT_LIVENESS.clientDeadAfterMs)
    .option("--supervised", "end when stdin ends", false)
    .option("--monitor", "say each protocol step to the supervisor, over Node's IPC channel", false);
}

function segment(flags: SegmentFlags, reporter: StepReporter | undefined): Promise<Running> {
  const servers = flags.peers.map(({ name, az, url }) => ({ name: nodeName(name), az, url }));
  return startSegmentHost(
    new NodeHost(flags.name, flags.data),
    {
      name: nodeName(flags.name),
      volume: flags.volume,
      token: flags.token,
      listen: flags.listen,
      servers,
      latencyMsTo: latencyBetween(flags.az, flags.azLatencyMs),
      liveness: liveness(flags),
      courier: (options, events) => new ThreadCourier(options, events),
      trace: reporter?.trace,
    },
    makeJournal(flags.name),
  );
}

async function databaseNode(flags: NodeFlags, reporter: StepReporter | undefined): Promise<Running> {
  const { role, mode, conflicts, injectConflicts, poolPages, volume, token, listen } = flags;
  const az = flags.nodes.find((node) => node.name === flags.name)?.az ?? flags.az;
  return startNodeHost(
    // A database node keeps nothing: the host's directory is never opened.
    new NodeHost(flags.name, "."),
    {
      name: nodeName(flags.name),
      role,
      mode,
      volume,
      token,
      listen,
      conflicts,
      injectConflicts,
      poolPages,
      geometry: { pageBytes: flags.pageBytes, segmentBytes: flags.segmentBytes },
      servers: flags.segments.map(({ name, az: zone, url }) => ({ name: nodeName(name), az: zone, url })),
      nodes: flags.nodes.map((node) => ({
        name: nodeName(node.name),
        role: node.role,
        az: node.az,
        url: node.url,
      })),
      procedures: await loadProcedures(flags.procedures),
      settings: suspicion(flags),
      latencyMsTo: latencyBetween(az, flags.azLatencyMs),
      liveness: liveness(flags),
      trace: reporter?.trace,
    },
    makeJournal(flags.name),
  );
}

function suspicion({ suspectAfterMs, endedAfterMs }: NodeFlags) {
  return {
    ...(suspectAfterMs === undefined ? {} : { suspectAfterMs }),
    ...(endedAfterMs === undefined ? {} : { endedAfterMs }),
  };
}

function liveness(flags: Common): LivenessSettings {
  const { heartbeatMs, deadAfterMs, clientHeartbeatMs, clientDeadAfterMs } = flags;
  return { heartbeatMs, deadAfterMs, clientHeartbeatMs, clientDeadAfterMs };
}

async function run(
  flags: Common,
  start: (reporter: StepReporter | undefined) => Promise<Running>,
): Promise<void> {
  if (flags.supervised) process.on("SIGINT", () => undefined);
  const reporter = flags.monitor ? reportToSupervisor() : undefined;
  const running = await start(reporter).catch((error: Error) => {
    process.stderr.write(`${flags.name}: ${error.message}\n`);
    process.exit(1);
  });
  // Not before: a start fills the heap with what stays.
  boundHeapGrowth();
  process.stdout.write(
    `${JSON.stringify({ event: "listening", name: flags.name, url: running.url, pid: process.pid })}\n`,
  );
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    void lastWords(running, reporter).finally(() => process.exit(0));
  };
  process.on("SIGTERM", end);
  if (!flags.supervised) process.on("SIGINT", end);
  void running.ended?.then(end);
  if (flags.supervised) process.stdin.on("end", end).on("error", end).resume();
}

/** Its last steps are said even if stopping fails. */
async function lastWords(running: Running, reporter: StepReporter | undefined): Promise<void> {
  try {
    await running.stop();
  } finally {
    await reporter?.close();
  }
}

function integer(text: string): number {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < 0) throw new InvalidArgumentError("a whole number, please");
  return n;
}

function probability(text: string): number {
  const p = Number(text);
  if (!(p >= 0 && p <= 1)) throw new InvalidArgumentError("a number from 0 to 1, please");
  return p;
}
