@echo off
if exist "%~dp0python.exe" ("%~dp0python.exe" -m tcenv %*) else (py -3 -m tcenv %*)
