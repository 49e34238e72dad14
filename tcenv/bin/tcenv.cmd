@echo off
if exist "%~dp0python.exe" ("%~dp0python.exe" -P -m tcenv %*) else (py -3 -P -m tcenv %*)
