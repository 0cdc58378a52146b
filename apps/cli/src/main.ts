/** `sixfold`: the command line on the real platform. */
import { readFileSync } from "node:fs";
import type { Platform, TextStream } from "./platform.ts";
import { run } from "./run.ts";

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => {
    // Twice means now.
    if (interruption.signal.aborted) process.exit(130);
    interruption.abort();
  });

const streamOf = (stream: NodeJS.WriteStream): TextStream => ({
  isTTY: stream.isTTY === true,
  write: (text) => void stream.write(text),
});

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  interruption.abort();
});

const platform: Platform = {
  stdout: streamOf(process.stdout),
  stderr: streamOf(process.stderr),
  signal: interruption.signal,
  atExit: (last) => {
    process.on("exit", last);
    return () => void process.off("exit", last);
  },
  environment: process.env,
  // Loaded when needed: help and usage errors are quicker without.
  startCluster: async (options, on) => (await import("@sixfold/cluster")).startCluster(options, on),
  startRawLog: async (options, on) => (await import("@sixfold/cluster")).startRawLog(options, on),
  // Workloads count what the database aborts; the SDK must not run a lost procedure again by itself.
  connect: async (endpoints, writer) =>
    (await import("@sixfold/client")).connect(endpoints, { affinity: () => writer, retryCalls: false }),
  checkData: async (options) => (await import("@sixfold/cluster")).checkData(options),
  startSimulator: async () => new (await import("./simulate/worker-pool.ts")).WorkerPool(),
};

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};
process.exitCode = await run(platform, process.argv.slice(2), version);
