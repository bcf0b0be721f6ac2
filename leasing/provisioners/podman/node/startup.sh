# Runs the customer's startup script, given as the arguments, with the customer's variables; keeps what it prints.
while IFS= read -r line; do
  if (export "$line") 2>/dev/null; then export "$line"; fi # the shell keeps some names, such as UID, to itself
done </gridlease/environment
export GRIDLEASE_INTERRUPTION=/gridlease/interruption.json
exec "$@" >/root/startup.log 2>&1 </dev/null
