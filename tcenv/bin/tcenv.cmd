@echo off
if exist "%~dp0python.exe" ("%~dp0python.exe" -I -m tcenv %*) else (py -3 -E -P -m tcenv %*)
