/**
 * The health check inside a container: status 0 iff the server on SIXFOLD_PORT (7400 if unset) says it is
 * healthy. In Node.js, since the slim image has neither curl nor wget.
 */
const port = process.env.SIXFOLD_PORT ?? "7400";
try {
  const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2500) });
  process.stdout.write(`${await response.text()}\n`);
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
